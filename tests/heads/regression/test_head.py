import json
import re

import pytest
import torch

from polyhead.batch import Hidden, Packing
from polyhead.contracts import EncoderShape, targets_of
from polyhead.errors import InputError
from polyhead.heads import (
    RegressionExample,
    RegressionHead,
    RegressionHeadConfig,
    RegressionPrediction,
)
from polyhead.registry import registry
from polyhead.train import Trainer, TrainSettings, evaluate

SHAPE = EncoderShape(width=8, n_layers=2, n_heads=2, ffn_width=16, max_positions=32, vocab_size=10)
PACKING = Packing((3, 1, 2))
TWO = {"outputs": ("price", "size"), "target_mean": (1000, 5), "target_scale": (200, 0.5)}
MASK = torch.ones(3, 4, dtype=torch.bool)


def a_head(**fields):
    torch.manual_seed(0)
    return RegressionHead(RegressionHeadConfig(**fields), SHAPE).eval()


def hidden(dtype=torch.float32):
    generator = torch.Generator().manual_seed(1)
    values = torch.randn(PACKING.n_tokens, 8, generator=generator)
    return Hidden.of_rows(values.to(dtype), PACKING)


def examples(*labels):
    return [RegressionExample(text="good day", label=label) for label in labels]


def test_the_registry_gives_it_by_kind_and_by_config():
    kinds = registry()
    assert kinds.head("regression") is RegressionHead
    assert kinds.head_for(RegressionHeadConfig()) is RegressionHead
    assert kinds.provider_of_head("regression").distribution == "polyhead"


def test_texts_and_pairs_become_one_row_each(tiny_tokenizer):
    given = [
        RegressionExample(text="good day", label=2),
        RegressionExample(text="good", text_pair="day"),
    ]
    first, second = a_head().encode(given, tiny_tokenizer)
    assert (len(first.rows[0]), len(second.rows[0])) == (4, 5)
    assert torch.equal(first.target, torch.tensor([[2.0]]))
    assert second.target is None
    assert [first.example, second.example] == given


def test_targets_of_several_outputs_are_in_their_order(tiny_tokenizer):
    encoded = a_head(**TWO).encode(
        examples([900, 4], {"size": 6, "price": 1100}, "1|2"), tiny_tokenizer
    )
    found = targets_of(encoded)
    assert torch.equal(found, torch.tensor([[900.0, 4.0], [1100.0, 6.0], [1.0, 2.0]]))
    assert found.dtype == torch.float32


def test_a_label_that_does_not_fit_is_refused_with_its_place(tiny_tokenizer):
    with pytest.raises(InputError, match=r"example 2: the label has 1 value .* 2 out") as caught:
        a_head(**TWO).encode(examples([1, 2], 3), tiny_tokenizer)
    assert caught.value.index == 1


def test_a_text_without_words_is_refused(tiny_tokenizer):
    with pytest.raises(InputError, match="example 1: the text has no words"):
        a_head().encode([RegressionExample(text=" ")], tiny_tokenizer)


def test_a_mapping_a_tuple_and_a_text_are_examples():
    head = a_head()
    assert head.parse(("a", "b")) == RegressionExample(text="a", text_pair="b")
    assert head.parse({"text": "a", "label": "1.5"}) == RegressionExample(text="a", label=1.5)
    assert head.parse("a") == RegressionExample(text="a")


@pytest.mark.parametrize(
    ("label", "message"),
    [
        ("good", "label: must be a number, or numbers as a list"),
        (float("nan"), "label: must be a finite number of at most 3.4e+38 (got nan)"),
    ],
)
def test_a_label_that_is_no_number_is_refused_in_one_line(label, message):
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        a_head().parse({"text": "a", "label": label})
    assert "\n" not in str(caught.value)


def test_outputs_are_moved_and_scaled_to_the_labels_unit():
    plain, scaled = a_head(outputs=("price", "size")), a_head(**TWO)
    expected = plain(hidden()) * torch.tensor([200.0, 0.5]) + torch.tensor([1000.0, 5.0])
    torch.testing.assert_close(scaled(hidden()), expected)


def test_half_precision_does_not_round_a_large_mean():
    head = a_head(**TWO).to(torch.bfloat16)
    found = head(hidden(torch.bfloat16))
    assert found.dtype == torch.float32
    plain = a_head(outputs=("price", "size")).to(torch.bfloat16)(hidden(torch.bfloat16))
    assert plain.dtype == torch.bfloat16
    torch.testing.assert_close(found[:, 0], plain[:, 0].float() * 200 + 1000, atol=1e-3, rtol=0)


def test_double_precision_is_kept():
    assert a_head(**TWO).double()(hidden(torch.float64)).dtype == torch.float64


def test_loss_is_the_mean_squared_error():
    outputs, targets = torch.tensor([[1.0], [2.0]]), torch.tensor([[0.0], [5.0]])
    torch.testing.assert_close(a_head().loss(outputs, targets), torch.tensor((1 + 9) / 2))


def test_every_output_has_the_same_share_of_the_loss_whatever_its_unit():
    outputs, targets = torch.tensor([[1400.0, 5.0]]), torch.tensor([[1000.0, 6.0]])
    # two scales off in both
    torch.testing.assert_close(a_head(**TWO).loss(outputs, targets), torch.tensor(4.0))


def test_loss_of_half_precision_outputs_is_computed_in_float32():
    outputs = torch.tensor([[2.0]], dtype=torch.bfloat16, requires_grad=True)
    loss = a_head().loss(outputs, torch.tensor([[1.0]]))
    assert loss.dtype == torch.float32
    loss.backward()
    assert outputs.grad.dtype == torch.bfloat16


def test_gradients_reach_every_parameter():
    head = a_head(**TWO)
    head.loss(head(hidden()), torch.zeros(3, 2)).backward()
    assert all(parameter.grad.any() for parameter in head.parameters())


@pytest.mark.parametrize(
    "labels",
    [
        torch.tensor([1.0, -2.0, 0.5]),
        torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64),
        torch.tensor([[1.0], [-2.0], [0.5]]),
    ],
)
def test_targets_of_one_output_are_a_number_a_row(labels):
    found = a_head().targets(labels, MASK)
    assert torch.equal(found, torch.tensor([[1.0], [-2.0], [0.5]]))
    assert found.dtype == torch.float32


def test_whole_numbers_are_numbers():
    found = a_head(**TWO).targets(torch.tensor([[1, 2], [3, 4], [5, 6]]), MASK)
    assert torch.equal(found, torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]))


@pytest.mark.parametrize(
    ("fields", "labels", "message"),
    [
        ({}, torch.zeros(2), "labels of shape (2,) do not fit a batch of 3 rows"),
        ({}, torch.tensor(1.0), "labels of shape () do not fit a batch of 3 rows"),
        ({}, torch.zeros(3, 2), "labels of shape (3, 2) do not fit; give one number a row."),
        ({}, torch.zeros(3, 1, 1), "labels of shape (3, 1, 1) do not fit"),
        (TWO, torch.zeros(3), "labels of shape (3,) do not fit; give 2 numbers a row, for 'price'"),
        (TWO, torch.zeros(3, 1), "labels of shape (3, 1) do not fit; give 2 numbers a row"),
        ({}, torch.tensor([True, False, True]), "labels must be numbers, not torch.bool"),
        ({}, torch.zeros(3, dtype=torch.complex64), "labels must be numbers, not torch.complex64"),
        ({}, torch.tensor([0, 1, torch.nan]), "the label of row 3 is not a finite number"),
        ({}, torch.tensor([0, -torch.inf, 1]), "the label of row 2 is not a finite number"),
        (
            {},
            torch.tensor([0, 1e39, 1], dtype=torch.float64),
            "the label of row 2 is not a finite number",
        ),
    ],
)
def test_labels_that_do_not_fit_are_refused(fields, labels, message):
    with pytest.raises(InputError, match=re.escape(message)):
        a_head(**fields).targets(labels, MASK)


def test_answers_are_typed_and_json_ready():
    outputs = torch.tensor([[900.0, 4.5], [1.5, -2.0]], dtype=torch.bfloat16)
    first, second = a_head(**TWO).decode(outputs, [])
    assert isinstance(first, RegressionPrediction)
    assert first.values == {"price": 900.0, "size": 4.5}
    assert (first.score, second.score) == (900.0, 1.5)
    assert json.loads(first.model_dump_json()) == first.model_dump()


def test_answers_are_not_cut_to_the_range_of_the_labels():
    (found,) = a_head(target_mean=2.5, target_scale=1.5).decode(torch.tensor([[7.25]]), [])
    assert found.score == 7.25


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
def test_outputs_that_are_not_finite_are_refused(bad):
    with pytest.raises(InputError, match="logits of row 2 are not finite"):
        a_head().decode(torch.tensor([[0.0], [bad]]), [])


def test_metrics_are_fresh_each_time(tiny_tokenizer):
    head = a_head()
    metrics = head.metrics()
    metrics.update(torch.tensor([[1.0], [2.0]]), head.encode(examples(2, 4), tiny_tokenizer))
    assert metrics.compute()["mse"] == 2.5
    assert head.metrics() is not metrics


@pytest.mark.parametrize("hidden_source", ["last", 1, "mix"])
def test_the_tensor_call_gives_its_loss_and_any_layers_states(tiny_model, shake, hidden_source):
    tiny_model.add_head("h", RegressionHeadConfig(hidden=hidden_source, **TWO), adapter=None)
    shake(tiny_model.heads["h"])
    ids = torch.tensor([[2, 6, 7, 3], [2, 8, 9, 3]])
    labels = torch.tensor([[1000.0, 5.0], [1200.0, 5.5]])
    out = tiny_model(ids, head="h", labels=labels)
    assert out.logits.shape == (2, 2)
    errors = (out.logits - labels) / torch.tensor([200.0, 0.5])
    torch.testing.assert_close(out.loss, errors.square().mean())


def test_a_saved_task_answers_the_same(make_model, shake, tmp_path):
    model = make_model()
    model.add_task("value", head=RegressionHeadConfig(**TWO))
    shake(model.heads["value"])
    expected = model.predict(["good day", ("the cat", "the dog")], task="value")
    model.save_task("value", tmp_path / "value")
    other = make_model()
    other.load_task(tmp_path / "value")
    assert other.predict(["good day", ("the cat", "the dog")], task="value") == expected


def test_training_on_labels_far_from_zero_finds_them(tiny_model):
    texts = ["good day", "bad day", "good cat", "bad cat", "good dog", "bad mat"] * 4
    data = [
        RegressionExample(text=text, label=2000 + 10 * text.startswith("good")) for text in texts
    ]
    tiny_model.add_task("value", head=RegressionHead.configure({}, data))
    Trainer(tiny_model, TrainSettings(epochs=8, lr=1e-2, batch_size=8, seed=0)).fit("value", data)
    found = evaluate(tiny_model, "value", data)
    assert found["spearman"] > 0.8
    assert found["mae"] < 3
