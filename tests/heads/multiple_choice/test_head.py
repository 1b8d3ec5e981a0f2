import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from polyhead.batch import Hidden, Packing
from polyhead.contracts import EncoderShape
from polyhead.errors import InputError
from polyhead.heads import (
    MultipleChoiceExample,
    MultipleChoiceHead,
    MultipleChoiceHeadConfig,
    MultipleChoicePrediction,
)
from polyhead.model import DistilBertModelWithHeads
from polyhead.registry import registry
from polyhead.tokenizer import TextSettings
from polyhead.train import Trainer, TrainSettings, evaluate, seeded

FIXTURES = Path(__file__).parents[2] / "fixtures" / "adapterhub"
SHAPE = EncoderShape(width=8, n_layers=2, n_heads=2, ffn_width=16, max_positions=32, vocab_size=10)
PACKING = Packing((3, 1, 2, 4, 1, 2))
INF = torch.inf


def a_head(**fields):
    torch.manual_seed(0)
    return MultipleChoiceHead(MultipleChoiceHeadConfig(**fields), SHAPE).eval()


def hidden(row_counts=None, packing=PACKING):
    generator = torch.Generator().manual_seed(1)
    tokens = torch.randn(packing.n_tokens, 8, generator=generator)
    return Hidden(tokens, packing, tuple(range(packing.n_rows)), row_counts=row_counts)


def encode(tokenizer, *examples):
    return a_head().encode([MultipleChoiceHead.parse(example) for example in examples], tokenizer)


@pytest.fixture
def model(make_model, shake):
    """A tiny model with the task "next", whose adapter and head are random."""
    model = make_model()
    model.add_task("next", head=MultipleChoiceHeadConfig())
    shake(model.heads["next"])
    shake(model.adapters["next"], seed=1)
    return model.eval()


# ----------------------------------------------------------------------------- what it computes


def test_the_head_of_the_adapters_library_gives_what_it_gave_there():
    folder = FIXTURES / "heads" / "multiple_choice"
    fields = json.loads((folder / "head_config.json").read_text())["config"]
    model = DistilBertModelWithHeads.from_pretrained(FIXTURES / "backbone")
    config = MultipleChoiceHeadConfig(
        layers=fields["layers"], activation=fields["activation_function"], pooling="cls"
    )
    model.add_head("h", config, adapter=None)
    names = {"1": "dense.0", "4": "out"}
    weights = load_file(folder / "model_head.safetensors")
    model.heads["h"].load_state_dict(
        {f"{names[key.split('.')[2]]}.{key.split('.')[3]}": each for key, each in weights.items()}
    )
    expected = load_file(folder / "expected.safetensors")
    # there the choices of an example lie one below the other
    shape = (-1, fields["num_choices"], expected["input_ids"].shape[1])
    with torch.no_grad():
        out = model(
            input_ids=expected["input_ids"].view(shape),
            attention_mask=expected["attention_mask"].view(shape),
            head="h",
        )
    torch.testing.assert_close(out.logits, expected["logits"], atol=1e-5, rtol=0)


def test_each_example_has_the_scores_of_its_own_rows():
    head = a_head()
    scores = head(hidden()).squeeze(1)
    assert scores.shape == (6,)
    found = head(hidden((2, 1, 3)))
    expected = torch.full((3, 3), -INF)
    expected[0, :2], expected[1, :1], expected[2] = scores[:2], scores[2], scores[3:]
    assert torch.equal(found, expected)


@pytest.mark.parametrize("pooling", ["cls", "mean", "max"])
def test_a_score_is_what_the_layers_give_for_the_pooled_row(pooling):
    head = a_head(pooling=pooling, activation="relu")
    values = hidden()
    pooled = values.cls if pooling == "cls" else getattr(values, pooling)()
    states = nn.functional.relu(head.dense[0](pooled))
    torch.testing.assert_close(head(values), head.out(states))


def test_the_registry_gives_it_by_kind_and_by_config():
    assert registry().head("multiple_choice") is MultipleChoiceHead
    assert registry().head_for(MultipleChoiceHeadConfig()) is MultipleChoiceHead


def test_no_examples_give_no_logits_and_no_answers():
    head = a_head()
    output = head(hidden((), Packing(())))
    assert output.shape == (0, 0)
    assert head.decode(output, []) == []


# ------------------------------------------------------------------------------------- the rows


def test_each_choice_is_a_row_behind_the_text(tiny_tokenizer):
    [found] = encode(tiny_tokenizer, ("the cat", ["sat", "ran on", "is"], "is"))
    expected = tiny_tokenizer.rows(["the cat"] * 3, ["sat", "ran on", "is"])
    assert list(found.rows) == expected
    assert torch.equal(found.target, torch.tensor([2]))
    assert found.target.dtype == torch.int64


def test_choices_without_a_text_are_read_alone(tiny_tokenizer):
    alone, pair = encode(
        tiny_tokenizer, {"choices": ["sat", "ran on"]}, {"text": "the", "choices": ["dog"]}
    )
    assert list(alone.rows) == tiny_tokenizer.rows(["sat", "ran on"])
    assert list(pair.rows) == tiny_tokenizer.rows(["the"], ["dog"])
    assert alone.target is pair.target is None


def test_text_settings_reach_every_row(tiny_tokenizer):
    short = tiny_tokenizer.with_settings(TextSettings(max_length=5))
    [found] = encode(short, ("the cat sat", ["on", "on mat"], None))
    assert [len(row) for row in found.rows] == [5, 5]
    assert [row.n_dropped for row in found.rows] == [2, 3]


@pytest.mark.parametrize(
    ("example", "message"),
    [
        (("the", ["cat", "\x01"]), "example 2: choice 1: the second text has no words"),
        ({"choices": ["\x01", "cat"]}, "example 2: choice 0: the text has no words"),
        (("the", ["cat", "dog"], 2), "example 2: the label 2 is not the number of a choice"),
        (("the", ["cat", "dog"], "mat"), "example 2: the label 'mat' is none of the choices"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_place(tiny_tokenizer, example, message):
    with pytest.raises(InputError, match=message) as error:
        encode(tiny_tokenizer, ("the", ["cat", "dog", "mat"]), example, ("the", ["cat"]))
    assert error.value.index == 1


def test_half_of_a_surrogate_pair_is_refused(tiny_tokenizer):
    with pytest.raises(InputError, match="not Unicode"):
        encode(tiny_tokenizer, ("the", ["cat", "\ud800"]))


# ------------------------------------------------------------------------------------- the loss


def test_loss_is_the_mean_cross_entropy_over_each_examples_own_choices():
    logits = torch.tensor([[2.0, 1.0, -INF], [0.5, -1.0, 3.0], [4.0, -INF, -INF]])
    expected = -torch.stack(
        [logits[0, :2].log_softmax(0)[1], logits[1].log_softmax(0)[0], torch.tensor(0.0)]
    ).mean()
    torch.testing.assert_close(a_head().loss(logits, torch.tensor([1, 0, 0])), expected)


def test_gradients_are_finite_with_any_numbers_of_choices():
    head = a_head()
    loss = head.loss(head(hidden((2, 1, 3))), torch.tensor([1, 0, 2]))
    assert torch.isfinite(loss)
    loss.backward()
    for name, parameter in head.named_parameters():
        assert torch.isfinite(parameter.grad).all()
        # the last bias moves all choices alike
        assert parameter.grad.any() or name == "out.bias"


def test_half_precision_logits_are_compared_in_float32():
    logits = torch.tensor([[2.0, -INF]], dtype=torch.bfloat16, requires_grad=True)
    loss = a_head().loss(logits, torch.tensor([0]))
    assert loss.dtype == torch.float32
    loss.backward()
    assert torch.isfinite(logits.grad).all()


# ---------------------------------------------------------------------- labels of a padded batch


def test_targets_of_a_padded_batch_are_the_choices_numbers():
    mask = torch.ones(3, 4, 5, dtype=torch.bool)
    found = a_head().targets(torch.tensor([0, 3, 1], dtype=torch.int32), mask)
    assert torch.equal(found, torch.tensor([0, 3, 1]))
    assert found.dtype == torch.int64


@pytest.mark.parametrize(
    ("labels", "shape", "message"),
    [
        (torch.tensor([0, 1]), (3, 2, 5), r"labels of shape \(2,\) do not fit a batch of 3 rows"),
        (torch.zeros(3, 2, dtype=torch.long), (3, 2, 5), r"labels of shape \(3, 2\) do not fit"),
        (
            torch.tensor([0, 1, 2]),
            (3, 2, 5),
            "the label 2 is not the number of a choice; .* 0 to 1",
        ),
        (torch.tensor([0, -1, 1]), (3, 2, 5), "the label -1 is not the number of a choice"),
        (torch.tensor([0, 1, 0]), (3, 5), "the label 1 is not the number .* 0 to 0"),
        (torch.tensor([0.0, 1.0, 0.0]), (3, 2, 5), "whole numbers, not torch.float32"),
        (torch.tensor([True, True, False]), (3, 2, 5), "whole numbers, not torch.bool"),
    ],
)
def test_labels_that_do_not_fit_are_refused(labels, shape, message):
    with pytest.raises(InputError, match=message):
        a_head().targets(labels, torch.ones(shape, dtype=torch.bool))


def test_the_tensor_call_takes_examples_of_several_rows(model):
    ids = torch.tensor([[[2, 5, 3, 6, 3], [2, 5, 3, 7, 3]], [[2, 8, 3, 9, 3], [2, 8, 3, 0, 0]]])
    mask = (ids != 0).long()
    out = model(ids, mask, head="next", labels=torch.tensor([1, 0]))
    assert out.logits.shape == (2, 2)
    torch.testing.assert_close(
        out.loss, nn.functional.cross_entropy(out.logits, torch.tensor([1, 0]))
    )
    with pytest.raises(InputError, match="the label 2 is not the number of a choice"):
        model(ids, mask, head="next", labels=torch.tensor([2, 0]))


# ------------------------------------------------------------------------------------ its answers


def test_answers_are_typed_and_json_ready(model):
    [answer] = model.predict(("the cat", ["sat", "ran on", "is"]), task="next")
    assert isinstance(answer, MultipleChoicePrediction)
    assert answer.text == ("sat", "ran on", "is")[answer.choice]
    assert answer.score == max(answer.probabilities) == answer.probabilities[answer.choice]
    assert sum(answer.probabilities) == pytest.approx(1, abs=1e-6)
    assert json.loads(answer.model_dump_json()) == answer.model_dump(mode="json")


def test_examples_of_any_numbers_of_choices_are_answered_as_alone(model):
    examples = [
        ("the cat", ["sat", "ran"]),
        ("the dog", ["is good"]),
        {"choices": ["red", "blue", "good", "bad", "the day"]},
        ("the mat", ["is red", "is blue", "sat on the cat"]),
    ]
    together = model.predict(examples, task="next")
    assert [len(answer.probabilities) for answer in together] == [2, 1, 5, 3]
    for example, answer in zip(examples, together, strict=True):
        [alone] = model.predict([example], task="next")
        assert answer.choice == alone.choice
        assert answer.probabilities == pytest.approx(alone.probabilities, abs=1e-5)


def test_a_single_choice_is_certain(model):
    [answer] = model.predict(("the cat", ["sat"]), task="next")
    assert (answer.choice, answer.score) == (0, 1.0)


def test_the_first_of_equal_choices_is_taken(tiny_tokenizer):
    asked = encode(tiny_tokenizer, ("the cat", ["sat", "ran"]))
    [answer] = a_head().decode(torch.tensor([[3.0, 3.0, -INF]]), asked)
    assert answer.probabilities == (0.5, 0.5)
    assert (answer.choice, answer.text) == (0, "sat")


def test_the_answer_in_a_few_words_is_the_choice_and_its_probability():
    answer = MultipleChoicePrediction(choice=1, text="a dog", score=0.714, probabilities=(0.3, 0.7))
    assert str(answer) == "a dog (0.71)"


def test_examples_with_nothing_to_choose_make_no_task():
    alone = MultipleChoiceExample(text="the", choices=("cat",), label=0)
    several = MultipleChoiceExample(text="the", choices=("cat", "dog"), label=0)
    with pytest.raises(InputError, match="all 2 training examples have a single choice"):
        MultipleChoiceHead.configure({}, [alone, alone])
    for examples in ([alone, several], []):
        config = MultipleChoiceHead.configure({"layers": 1}, examples)
        assert config == MultipleChoiceHeadConfig(layers=1)


def test_zero_choices_are_refused_with_their_place(model):
    with pytest.raises(InputError, match=r"example 2: .* there are no choices") as error:
        model.predict([("the", ["cat"]), ("the", [])], task="next")
    assert error.value.index == 1


def test_logits_that_are_not_finite_are_refused(model):
    with torch.no_grad():
        model.heads["next"].out.weight.fill_(torch.nan)
    with pytest.raises(InputError, match="logits of row 1 are not finite"):
        model.predict(("the cat", ["sat", "ran"]), task="next")


# --------------------------------------------------------------------------------- it is trained


def test_a_choice_is_learnt_wherever_it_stands(make_model):
    model = make_model()
    with seeded(0):
        model.add_task("next", head=MultipleChoiceHeadConfig())
    wrong = ["bad", "is bad", "the bad day"]
    examples = []
    for number in range(24):
        choices = wrong[: 1 + number % 3]
        place = number // 3 % (len(choices) + 1)
        choices = [*choices[:place], "good", *choices[place:]]
        examples.append(MultipleChoiceExample(text="the dog", choices=tuple(choices), label="good"))
    settings = TrainSettings(epochs=8, lr=0.02, batch_size=8)
    result = Trainer(model, settings).fit("next", examples, examples)
    assert result.best_metrics["accuracy"] == 1
    assert evaluate(model, "next", examples) == result.best_metrics
    [answer] = model.predict(("the dog", ["is bad", "good"]), task="next")
    assert (answer.choice, answer.text) == (1, "good")


def test_metrics_are_fresh_each_time():
    head = a_head()
    assert head.metrics() is not head.metrics()
