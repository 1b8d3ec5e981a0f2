import json
import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from polyhead.batch import Hidden, Packing
from polyhead.contracts import Encoded, EncoderShape, targets_of
from polyhead.errors import ConfigError, InputError
from polyhead.heads import (
    QuestionAnsweringExample,
    QuestionAnsweringHead,
    QuestionAnsweringHeadConfig,
    QuestionAnsweringPrediction,
)
from polyhead.model import DistilBertModelWithHeads
from polyhead.registry import registry
from polyhead.tokenizer import TextSettings
from polyhead.train import Trainer, TrainSettings, evaluate, seeded

FIXTURES = Path(__file__).parents[2] / "fixtures" / "adapterhub"
SHAPE = EncoderShape(width=8, n_layers=2, n_heads=2, ffn_width=16, max_positions=32, vocab_size=10)
PACKING = Packing((3, 1, 2))
CONTEXT = "the red cat sat on the mat"


def a_head(**fields):
    torch.manual_seed(0)
    config = QuestionAnsweringHeadConfig(**{"hidden": "last", **fields})
    return QuestionAnsweringHead(config, SHAPE).eval()


def hidden(packing=PACKING):
    generator = torch.Generator().manual_seed(1)
    return Hidden.of_rows(torch.randn(packing.n_tokens, 8, generator=generator), packing)


def an_example(question="cat", context=CONTEXT, answer=None, **fields):
    if answer is not None:
        fields["answers"] = [{"text": answer, "answer_start": context.index(answer)}]
    return QuestionAnsweringExample(question=question, context=context, **fields)


@pytest.fixture(scope="module")
def encode(tiny_tokenizer):
    def call(examples, max_length=64, **fields):
        tokenizer = tiny_tokenizer.with_settings(TextSettings(max_length=max_length))
        return a_head(**fields).encode(examples, tokenizer)

    return call


def peaks(encoded, *places):
    """An output of 0 with peaks at (row, first token, last token, score), as `forward` pads it."""
    rows = [row for item in encoded for row in item.rows]
    output = {}
    for part in ("start", "end"):
        output[part] = torch.full((len(rows), max(map(len, rows), default=0)), -torch.inf)
        for number, row in enumerate(rows):
            output[part][number, : len(row)] = 0
    for number, first, last, score in places:
        output["start"][number, first] = output["end"][number, last] = score / 2
    return output


def test_heads_of_the_adapters_library_give_what_they_gave_there():
    folder = FIXTURES / "heads" / "qa"
    model = DistilBertModelWithHeads.from_pretrained(FIXTURES / "backbone")
    model.add_head("h", QuestionAnsweringHeadConfig(hidden="last"), adapter=None)
    weights = load_file(folder / "model_head.safetensors")
    model.heads["h"].load_state_dict(
        {"out.weight": weights["heads.h.1.weight"], "out.bias": weights["heads.h.1.bias"]}
    )
    expected = load_file(folder / "expected.safetensors")
    mask = expected["attention_mask"]
    with torch.no_grad():
        out = model(input_ids=expected["input_ids"], attention_mask=mask, head="h")
    for part in ("start", "end"):
        found = out.outputs["h"][part]
        is_token = mask.bool()
        torch.testing.assert_close(
            found[is_token], expected[f"{part}_logits"][is_token], atol=1e-5, rtol=0
        )
        assert (found[~is_token] == -torch.inf).all()


def test_the_registry_gives_it_by_kind_and_by_config():
    kinds = registry()
    assert kinds.head("question_answering") is QuestionAnsweringHead
    assert kinds.head_for(QuestionAnsweringHeadConfig()) is QuestionAnsweringHead


def test_parameters_start_small_and_have_short_names():
    shape = SHAPE.model_copy(update={"width": 512})
    torch.manual_seed(0)
    head = QuestionAnsweringHead(QuestionAnsweringHeadConfig(hidden="last"), shape)
    assert {name: tuple(value.shape) for name, value in head.state_dict().items()} == {
        "out.weight": (2, 512),
        "out.bias": (2,),
    }
    assert head.out.weight.std().item() == pytest.approx(0.02, rel=0.1)
    assert not head.out.bias.any()


def test_logits_follow_the_written_formula_and_padding_is_minus_infinity():
    head = a_head()
    torch.nn.init.normal_(head.out.bias)
    values = hidden()
    output = head(values)
    for number, part in enumerate(("start", "end")):
        expected = values.tokens @ head.out.weight[number] + head.out.bias[number]
        assert output[part].shape == (3, 3)
        for row, own in zip(output[part], expected.split(PACKING.lengths), strict=True):
            torch.testing.assert_close(row[: len(own)], own)
            assert (row[len(own) :] == -torch.inf).all()


def test_dropout_acts_in_training_alone():
    head = a_head(dropout=0.5)
    values = hidden()
    assert torch.equal(head(values)["start"], head(values)["start"])
    head.train()
    assert not torch.equal(head(values)["start"], head(values)["start"])


def test_a_context_becomes_windows_behind_the_whole_question(encode, tiny_tokenizer):
    examples = [an_example(answer="cat sat", id="a"), an_example("red mat", "the dog", answers=[])]
    first, second = encode(examples, max_length=8, overlap=2)
    assert [[tiny_tokenizer.token(number) for number in row.ids] for row in first.rows] == [
        ["[CLS]", "cat", "[SEP]", "the", "red", "cat", "sat", "[SEP]"],
        ["[CLS]", "cat", "[SEP]", "cat", "sat", "on", "the", "[SEP]"],
        ["[CLS]", "cat", "[SEP]", "on", "the", "mat", "[SEP]"],
    ]
    assert first.target.tolist() == [[5, 6], [3, 4], [0, 0]]
    assert [row.n_dropped for row in first.rows] == [0, 0, 0]
    assert len(second.rows) == 1
    assert second.target.tolist() == [[0, 0]]
    assert [first.example, second.example] == examples
    assert targets_of([first, second]).shape == (4, 2)


def test_without_answers_there_is_no_target(encode):
    [found] = encode([an_example()])
    assert found.target is None


@pytest.mark.parametrize(
    ("example", "message"),
    [
        (an_example(" "), "example 2: the question has no words"),
        (an_example(context="\n"), "example 2: the context has no words"),
        (
            an_example("the cat the cat the cat", answer="red"),
            "example 2: the question has 6 tokens, and a window of 9 has no room for the context",
        ),
        (
            an_example(answers=[{"text": "mat", "answer_start": 24}]),
            "example 2: the answer 'mat' .* 24 to 27, outside of the context, which has 26",
        ),
        (
            an_example(answers=[{"text": "mat", "answer_start": 22}]),
            "example 2: the answer 'mat' .* where the context has ' ma'; the context has it at 23",
        ),
    ],
)
def test_examples_that_cannot_be_used_are_refused_by_number(encode, example, message):
    with pytest.raises(InputError, match=message) as caught:
        encode([an_example(), example], max_length=9)
    assert caught.value.index == 1


def test_positions_of_a_padded_batch_become_positions_of_its_rows():
    mask = torch.tensor([[1, 1, 1, 1, 1], [0, 0, 1, 1, 1], [1, 0, 1, 0, 1], [1, 1, 1, 0, 0]]).bool()
    labels = torch.tensor([[0, 4], [2, 4], [2, 4], [1, 2]], dtype=torch.int32)
    found = a_head().targets(labels, mask)
    assert found.tolist() == [[0, 4], [0, 2], [1, 2], [1, 2]]
    assert found.dtype == torch.int64


def test_positions_that_are_no_token_are_left_out():
    mask = torch.tensor([[1, 1, 1, 0], [0, 1, 1, 1]]).bool()
    labels = torch.tensor([[3, 4], [0, -100]])
    assert a_head().targets(labels, mask).tolist() == [[-100, -100], [-100, -100]]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (torch.zeros(3, 2, dtype=torch.long), r"shape \(3, 2\) do not fit a batch of 2 rows"),
        (torch.zeros(2, dtype=torch.long), r"shape \(2,\) do not fit; give the positions"),
        (torch.zeros(2, 3, dtype=torch.long), r"shape \(2, 3\) do not fit; give the positions"),
        (torch.zeros(2, 2), "whole numbers, not torch.float32"),
        (torch.zeros(2, 2, dtype=torch.bool), "whole numbers, not torch.bool"),
        (torch.tensor([[0, 1], [-1, 1]]), "the position -1 is below 0"),
    ],
)
def test_labels_that_do_not_fit_are_refused(labels, message):
    with pytest.raises(InputError, match=message):
        a_head().targets(labels, torch.ones(2, 4, dtype=torch.bool))


def test_loss_is_the_mean_cross_entropy_of_start_and_end():
    output = {"start": torch.tensor([[2.0, 0.0, 1.0], [0.0, 3.0, -torch.inf]])}
    output["end"] = output["start"].flip(0)
    output["end"][0, 2] = 0.5
    targets = torch.tensor([[0, 1], [1, 0]])
    losses = [
        -output[part][row].log_softmax(0)[targets[row, number]]
        for number, part in enumerate(("start", "end"))
        for row in range(2)
    ]
    torch.testing.assert_close(a_head().loss(output, targets), torch.stack(losses).mean())


def test_positions_that_are_left_out_do_not_weigh():
    output = {"start": torch.tensor([[2.0, 0.0], [0.0, 9.0]]), "end": torch.zeros(2, 2)}
    targets = torch.tensor([[0, -100], [-100, -100]])
    expected = -output["start"][0].log_softmax(0)[0] / 2
    torch.testing.assert_close(a_head().loss(output, targets), expected)


def test_a_batch_without_positions_has_no_loss_and_no_gradient():
    head = a_head()
    loss = head.loss(head(hidden()), torch.full((3, 2), -100))
    loss.backward()
    assert loss.item() == 0
    assert not head.out.weight.grad.any()


def test_gradients_are_finite_beside_padding_and_reach_every_parameter():
    head = a_head()
    head.loss(head(hidden()), torch.tensor([[0, 2], [0, 0], [1, 1]])).backward()
    for parameter in head.parameters():
        assert parameter.grad.any()
        assert parameter.grad.isfinite().all()


def test_loss_of_half_precision_logits_is_computed_in_float32():
    start = torch.tensor([[2.0, 0.0, 0.0]], dtype=torch.bfloat16, requires_grad=True)
    loss = a_head().loss({"start": start, "end": start}, torch.tensor([[0, 1]]))
    assert loss.dtype == torch.float32
    loss.backward()
    assert start.grad.dtype == torch.bfloat16


def test_one_tensor_is_no_output_of_this_head():
    with pytest.raises(TypeError, match="dict of start and end logits"):
        a_head().loss(torch.zeros(1, 2), torch.zeros(1, 2))


def test_answers_are_characters_of_the_context_with_scores_that_add_up(encode):
    encoded = encode([an_example()], n_best=4)
    # the context starts at token 3: "red cat" is 4 and 5
    output = peaks(encoded, (0, 4, 5, 12.0))
    [found] = a_head(n_best=4).decode(output, encoded)
    assert isinstance(found, QuestionAnsweringPrediction)
    assert (found.text, found.start, found.end) == ("red cat", 4, 11)
    assert found.null_margin is None
    assert len(found.candidates) == 4
    assert found.candidates[0].score == found.score
    assert sum(answer.score for answer in found.candidates) == pytest.approx(1, abs=1e-9)
    scores = [answer.score for answer in found.candidates]
    assert scores == sorted(scores, reverse=True)
    # the next best keep one end of it
    expected = torch.tensor([12.0, 6.0, 6.0, 6.0]).softmax(0).tolist()
    assert scores == pytest.approx(expected, abs=1e-6)
    for answer in found.candidates:
        assert answer.text == CONTEXT[answer.start : answer.end]
    assert json.loads(found.model_dump_json()) == found.model_dump(mode="json")


def test_the_best_span_of_all_windows_is_the_answer(encode):
    encoded = encode([an_example(context="the dog"), an_example()], max_length=8, overlap=2)
    # the third window of the second example is the fourth row: [CLS] cat [SEP] on the mat [SEP]
    output = peaks(encoded, (1, 3, 3, 5.0), (3, 5, 5, 9.0), (0, 4, 4, 1.0))
    first, second = a_head().decode(output, encoded)
    assert (first.text, second.text) == ("dog", "mat")
    assert second.start == CONTEXT.index("mat")


@pytest.mark.parametrize(
    ("threshold", "text", "start"), [(0.0, "", None), (2.9, "", None), (3.1, "mat", 23)]
)
def test_no_answer_must_exceed_the_best_span_by_the_threshold(encode, threshold, text, start):
    encoded = encode([an_example()])
    output = peaks(encoded, (0, 9, 9, 6.0))
    output["start"][0, 0] = 9
    [found] = a_head(null_answers=True, null_threshold=threshold).decode(output, encoded)
    assert (found.text, found.start) == (text, start)
    assert found.null_margin == pytest.approx(3)
    assert found.candidates[0].text == ""
    assert found.candidates[0].end is None
    chosen = next(answer for answer in found.candidates if answer.text == text)
    assert found.score == chosen.score
    assert sum(answer.score for answer in found.candidates) == pytest.approx(1, abs=1e-9)


def test_the_threshold_can_be_set_after_training(encode):
    encoded = encode([an_example()])
    output = peaks(encoded, (0, 9, 9, 6.0))
    output["start"][0, 0] = 9
    head = a_head(null_answers=True)
    expected = head.config.model_copy(update={"null_threshold": 3.1})
    head.set_null_threshold(3.1)
    assert head.config == expected
    [found] = head.decode(output, encoded)
    assert found.text == "mat"
    with pytest.raises(ConfigError, match="null_threshold"):
        head.set_null_threshold(math.nan)
    assert head.config.null_threshold == 3.1


def test_one_window_that_has_an_answer_outweighs_others_that_have_none(encode):
    encoded = encode([an_example()], max_length=8, overlap=2)
    output = peaks(encoded, (1, 4, 4, 6.0))
    output["start"][0, 0] = output["start"][2, 0] = 50
    [found] = a_head(null_answers=True).decode(output, encoded)
    assert (found.text, found.null_margin) == ("sat", -6)


def test_large_logits_have_probabilities_too(encode):
    encoded = encode([an_example()])
    [found] = a_head().decode(peaks(encoded, (0, 4, 4, 1e30)), encoded)
    assert found.score == 1
    assert not math.isnan(sum(answer.score for answer in found.candidates))


def test_a_short_context_has_fewer_candidates(encode):
    encoded = encode([an_example(context="mat")])
    [found] = a_head().decode(peaks(encoded), encoded)
    assert [answer.text for answer in found.candidates] == ["mat"]
    assert found.score == 1


def test_no_rows_give_no_answers():
    head = a_head()
    output = head(hidden(Packing(())))
    assert output["start"].shape == (0, 0)
    assert head.decode(output, []) == []


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_logits_that_are_not_finite_are_refused(encode, bad):
    encoded = encode([an_example(context="the mat"), an_example()])
    output = peaks(encoded)
    output["end"][1, 2] = bad
    with pytest.raises(InputError, match="logits of row 2 are not finite"):
        a_head().decode(output, encoded)


@pytest.fixture
def task_model(make_model):
    """A model with a task of questions and answers."""

    def make(max_length=12, **fields):
        model = make_model()
        with seeded(0):
            model.add_task(
                "questions",
                head=QuestionAnsweringHeadConfig(overlap=3, **fields),
                text=TextSettings(max_length=max_length),
            )
        return model.eval()

    return make


def test_answers_do_not_depend_on_what_else_is_asked(task_model, shake):
    model = task_model(null_answers=True)
    shake(model.heads["questions"])
    asked = [
        ("cat", CONTEXT),
        ("the dog", "bad day"),
        ("is it red?", f"{CONTEXT} {CONTEXT} " * 3),
        {"question": "mat", "context": "good"},
    ]
    together = model.predict(asked, task="questions")
    for question, found in zip(asked, together, strict=True):
        [alone] = model.predict([question], task="questions")
        assert (alone.text, alone.start, alone.end) == (found.text, found.start, found.end)
        assert alone.score == pytest.approx(found.score, abs=1e-5)
        assert alone.null_margin == pytest.approx(found.null_margin, abs=1e-5)


def test_a_head_survives_saving(task_model, shake, make_model, tmp_path):
    model = task_model(null_answers=True, n_best=3)
    shake(model.heads["questions"])
    model.save_task("questions", tmp_path / "task")
    other = make_model()
    other.load_task(tmp_path / "task")
    asked = [("cat", CONTEXT * 4)]
    assert other.predict(asked, task="questions") == model.predict(asked, task="questions")


def test_training_finds_answers_and_refusals(task_model):
    model = task_model(max_length=24, null_answers=True)
    colours = ("red", "blue", "good", "bad")
    examples = [
        an_example("is the cat", f"the dog {first} on a mat the {second} day", **fields)
        for first, second, fields in [
            *((colour, "cat", {"answer": colour}) for colour in colours),
            *(("cat", colour, {"answer": colour}) for colour in colours),
            *(("sat", thing, {"answers": []}) for thing in ("mat", "dog", "cat", "the")),
        ]
    ]
    Trainer(model, TrainSettings(epochs=30, lr=0.02, batch_size=6)).fit(
        "questions", examples, examples
    )
    model.eval()
    figures = evaluate(model, "questions", examples)
    assert figures["f1"] == 1
    assert figures["has_answer_f1"] == figures["no_answer_f1"] == figures["best_f1"] == 1
    found = model.predict(examples, task="questions")
    assert [answer.text for answer in found] == [*colours, *colours, "", "", "", ""]


def test_evaluation_without_offsets_is_a_mistake_of_the_caller(tiny_tokenizer):
    [row] = tiny_tokenizer.rows(["cat"], [CONTEXT])
    item = Encoded(an_example(), (row,))
    with pytest.raises(TypeError, match="no offsets"):
        a_head().decode({"start": torch.zeros(1, 10), "end": torch.zeros(1, 10)}, [item])
