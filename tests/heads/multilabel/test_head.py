import json
import re

import pytest
import torch

from polyhead.batch import Hidden, Packing
from polyhead.contracts import EncoderShape, targets_of
from polyhead.errors import ConfigError, InputError
from polyhead.heads import (
    MultilabelExample,
    MultilabelHead,
    MultilabelHeadConfig,
    MultilabelPrediction,
)
from polyhead.registry import registry
from polyhead.train import Trainer, TrainSettings, evaluate

SHAPE = EncoderShape(width=8, n_layers=2, n_heads=2, ffn_width=16, max_positions=32, vocab_size=10)
LABELS = ("fear", "hope", "joy")
PACKING = Packing((3, 1, 2))
MASK = torch.ones(2, 4, dtype=torch.bool)


def a_head(**fields):
    torch.manual_seed(0)
    return MultilabelHead(MultilabelHeadConfig(labels=LABELS, **fields), SHAPE).eval()


def hidden():
    generator = torch.Generator().manual_seed(1)
    return Hidden.of_rows(torch.randn(PACKING.n_tokens, 8, generator=generator), PACKING)


def examples(*labels):
    return [MultilabelExample(text="good day", labels=found) for found in labels]


def probabilities(*rows):
    return torch.tensor(rows).logit()


def test_the_registry_gives_it_by_kind_and_by_config():
    kinds = registry()
    assert kinds.head("multilabel") is MultilabelHead
    assert kinds.head_for(MultilabelHeadConfig(labels=LABELS)) is MultilabelHead
    assert kinds.provider_of_head("multilabel").distribution == "polyhead"


def test_texts_and_pairs_become_one_row_each(tiny_tokenizer):
    given = [
        MultilabelExample(text="good day", labels=["joy", "fear"]),
        MultilabelExample(text="good", text_pair="day"),
        MultilabelExample(text="day", labels=[]),
    ]
    first, second, third = a_head().encode(given, tiny_tokenizer)
    assert (len(first.rows[0]), len(second.rows[0])) == (4, 5)
    assert torch.equal(targets_of([first, third]), torch.tensor([[1.0, 0, 1], [0, 0, 0]]))
    assert second.target is None
    assert [first.example, second.example, third.example] == given


def test_an_unknown_label_is_refused_with_its_place_and_the_known_ones(tiny_tokenizer):
    with pytest.raises(
        InputError, match=r"label 'envy' is unknown .* 'fear', 'hope', 'joy'\."
    ) as caught:
        a_head().encode(examples(["joy"], ["joy", "envy"]), tiny_tokenizer)
    assert caught.value.index == 1


def test_a_text_without_words_is_refused(tiny_tokenizer):
    with pytest.raises(InputError, match="example 1: the text has no words"):
        a_head().encode([MultilabelExample(text=" ")], tiny_tokenizer)


def test_a_mapping_a_tuple_and_a_text_are_examples():
    head = a_head()
    assert head.parse(("a", "b")) == MultilabelExample(text="a", text_pair="b")
    assert head.parse({"text": "a", "labels": "x|y"}).labels == ("x", "y")
    assert head.parse("a") == MultilabelExample(text="a")


def test_labels_that_are_no_list_are_refused_in_one_line():
    with pytest.raises(InputError, match=r"labels: must be a list of labels, .* \(got 3\)"):
        a_head().parse({"text": "a", "labels": 3})


def test_loss_is_the_mean_binary_cross_entropy():
    logits = torch.tensor([[2.0, 0.0, -1.0], [0.5, 0.0, 3.0]])
    targets = torch.tensor([[1.0, 0, 0], [0, 1, 1]])
    right = torch.where(targets == 1, logits.sigmoid(), 1 - logits.sigmoid())
    torch.testing.assert_close(a_head().loss(logits, targets), -right.log().mean())


def test_pos_weight_weighs_the_texts_that_have_a_label():
    logits = torch.tensor([[2.0, 0.0, -1.0], [0.5, 0.0, 3.0]])
    targets = torch.tensor([[1.0, 0, 0], [0, 1, 1]])
    right = torch.where(targets == 1, logits.sigmoid(), 1 - logits.sigmoid())
    weights = torch.where(targets == 1, torch.tensor([3.0, 1.0, 0.5]), 1.0)
    found = a_head(pos_weight=(3, 1, 0.5)).loss(logits, targets)
    torch.testing.assert_close(found, -(weights * right.log()).mean())


def test_loss_of_half_precision_logits_is_computed_in_float32():
    logits = torch.tensor([[2.0, 0.0, 1.0]], dtype=torch.bfloat16, requires_grad=True)
    loss = a_head(pos_weight=(1, 2, 3)).loss(logits, torch.tensor([[1.0, 0, 1]]))
    assert loss.dtype == torch.float32
    loss.backward()
    assert logits.grad.dtype == torch.bfloat16


def test_gradients_reach_every_parameter():
    head = a_head()
    head.loss(head(hidden()), torch.eye(3)).backward()
    assert all(parameter.grad.any() for parameter in head.parameters())


@pytest.mark.parametrize("dtype", [torch.int64, torch.float32, torch.float64, torch.bool])
def test_targets_of_a_padded_batch_are_zeros_and_ones_of_any_type(dtype):
    found = a_head().targets(torch.tensor([[1, 0, 0], [0, 1, 1]], dtype=dtype), MASK)
    assert torch.equal(found, torch.tensor([[1.0, 0, 0], [0, 1, 1]]))
    assert found.dtype == torch.float32


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (torch.zeros(3, 3), "labels of shape (3, 3) do not fit a batch of 2 rows"),
        (torch.tensor(1.0), "labels of shape () do not fit a batch of 2 rows"),
        (torch.zeros(2), "labels of shape (2,) do not fit; give 0 or 1 for each row and each of"),
        (torch.zeros(2, 2), "labels of shape (2, 2) do not fit; give 0 or 1 for each row and each"),
        (torch.zeros(2, 3, 1), "labels of shape (2, 3, 1) do not fit"),
        (torch.full((2, 3), 2), "labels must be 0 and 1, not 2."),
        (torch.full((2, 3), -100), "labels must be 0 and 1, not -100."),
        (torch.full((2, 3), 0.5), "labels must be 0 and 1, not 0.5."),
        (torch.full((2, 3), torch.nan), "labels must be 0 and 1, not nan."),
        (torch.zeros(2, 3, dtype=torch.complex64), "labels must be 0 and 1, not torch.complex64"),
    ],
)
def test_labels_that_do_not_fit_are_refused(labels, message):
    with pytest.raises(InputError, match=re.escape(message)):
        a_head().targets(labels, MASK)


def test_answers_are_typed_and_json_ready():
    logits = probabilities([0.6, 0.4, 0.9], [0.1, 0.2, 0.3])
    first, second = a_head().decode(logits.bfloat16(), [])
    assert isinstance(first, MultilabelPrediction)
    assert first.labels == ["joy", "fear"]
    assert second.labels == []
    assert tuple(first.probabilities) == LABELS
    torch.testing.assert_close(
        torch.tensor(list(first.probabilities.values())), logits[0].bfloat16().float().sigmoid()
    )
    assert json.loads(first.model_dump_json()) == first.model_dump()


def test_each_label_is_chosen_at_its_own_threshold():
    head = a_head(threshold={"fear": 0.7, "hope": 0.3})
    (found,) = head.decode(probabilities([0.6, 0.4, 0.9]), [])
    assert found.labels == ["joy", "hope"]


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
def test_logits_that_are_not_finite_are_refused(bad):
    with pytest.raises(InputError, match="logits of row 2 are not finite"):
        a_head().decode(torch.tensor([[0.0, 0.0, 0.0], [0.0, bad, 0.0]]), [])


def test_metrics_are_fresh_and_use_the_thresholds(tiny_tokenizer):
    head = a_head(threshold=0.8)
    metrics = head.metrics()
    batch = head.encode(examples(["joy"], []), tiny_tokenizer)
    metrics.update(probabilities([0.1, 0.1, 0.9], [0.7, 0.7, 0.7]), batch)
    assert metrics.compute()["micro_f1"] == 1.0
    assert head.metrics() is not metrics


def test_tuned_thresholds_are_told_by_label_and_taken_over():
    head = a_head()
    logits = probabilities([0.4, 0.9, 0.2], [0.1, 0.8, 0.1], [0.1, 0.1, 0.1])
    targets = torch.tensor([[1, 1, 0], [0, 0, 0], [0, 0, 0]])
    found = head.tune_thresholds(logits, targets)
    assert found == pytest.approx({"fear": 0.25, "hope": 0.85, "joy": 0.5})
    assert head.config.threshold == 0.5
    head.set_threshold(found)
    assert head.config.threshold == found
    assert [answer.labels for answer in head.decode(logits, [])] == [["hope", "fear"], [], []]
    head.set_threshold(0.05)
    assert head.config.thresholds == (0.05, 0.05, 0.05)


@pytest.mark.parametrize(
    ("logits", "targets", "message"),
    [
        (torch.zeros(0, 3), torch.zeros(0, 3), "no labelled examples to tune thresholds on"),
        (torch.zeros(2, 3), torch.zeros(1, 3), "do not fit a batch of 2 rows"),
        (torch.zeros(2, 3), torch.zeros(2, 2), "give 0 or 1 for each row and each of the 3 labels"),
        (torch.zeros(2, 3), torch.full((2, 3), 0.5), "labels must be 0 and 1, not 0.5"),
        (torch.full((2, 3), torch.nan), torch.zeros(2, 3), "logits of row 1 are not finite"),
    ],
)
def test_thresholds_are_not_tuned_on_what_does_not_fit(logits, targets, message):
    with pytest.raises(InputError, match=message):
        a_head().tune_thresholds(logits, targets)


@pytest.mark.parametrize("threshold", [0, 1.0, {"envy": 0.5}, {"joy": 2}])
def test_a_threshold_that_makes_no_sense_changes_nothing(threshold):
    head = a_head()
    with pytest.raises(ConfigError, match="threshold"):
        head.set_threshold(threshold)
    assert head.config.threshold == 0.5


@pytest.mark.parametrize("hidden_source", ["last", 1, "mix"])
def test_the_tensor_call_gives_its_loss_and_any_layers_states(tiny_model, shake, hidden_source):
    config = MultilabelHeadConfig(labels=LABELS, hidden=hidden_source)
    tiny_model.add_head("h", config, adapter=None)
    shake(tiny_model.heads["h"])
    ids = torch.tensor([[2, 6, 7, 3], [2, 8, 9, 3]])
    labels = torch.tensor([[1, 0, 1], [0, 0, 0]])
    out = tiny_model(ids, head="h", labels=labels)
    assert out.logits.shape == (2, 3)
    expected = torch.nn.functional.binary_cross_entropy_with_logits(out.logits, labels.float())
    torch.testing.assert_close(out.loss, expected)


def test_a_saved_task_keeps_its_thresholds(make_model, shake, tmp_path):
    model = make_model()
    model.add_task("mood", head=MultilabelHeadConfig(labels=LABELS))
    shake(model.heads["mood"])
    model.heads["mood"].set_threshold({"joy": 0.05})
    expected = model.predict(["good day", ("the cat", "the dog")], task="mood")
    model.save_task("mood", tmp_path / "mood")
    other = make_model()
    other.load_task(tmp_path / "mood")
    assert other.heads["mood"].config.threshold == {"joy": 0.05}
    assert other.predict(["good day", ("the cat", "the dog")], task="mood") == expected


def test_training_learns_labels_that_come_together_and_alone(tiny_model):
    labels = {"good cat": "g|c", "good dog": "g", "bad cat": "c", "bad dog": ""}
    data = [MultilabelExample(text=text, labels=found) for text, found in labels.items()] * 8
    tiny_model.add_task("mood", head=MultilabelHead.configure({}, data))
    Trainer(tiny_model, TrainSettings(epochs=8, lr=1e-2, batch_size=8, seed=0)).fit("mood", data)
    assert evaluate(tiny_model, "mood", data)["micro_f1"] > 0.9
