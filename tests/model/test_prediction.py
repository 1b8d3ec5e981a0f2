"""Texts in any form are answered in their order, alone or by several tasks at once."""

import pytest
import torch

from polyhead.errors import ConfigError, InputError, UnknownTaskError
from polyhead.heads import ClassificationHead, ClassificationPrediction
from polyhead.heads.text_example import TextExample
from polyhead.model import (
    BATCH_TOKENS,
    DistilBertModelWithHeads,
    HeadCall,
    prediction,
    with_heads,
)
from polyhead.tokenizer import TextSettings

LONG = "word " * 100_000


@pytest.fixture
def model(tiny_model, two_labels, three_labels, shake):
    """Tasks mood and topic with adapters, bare without."""
    tiny_model.add_task("mood", head=two_labels)
    tiny_model.add_task("topic", head=three_labels, adapter="double_seq_bn")
    tiny_model.add_task("bare", head=two_labels, adapter=None)
    for number, part in enumerate((*tiny_model.adapters.values(), *tiny_model.heads.values())):
        shake(part, seed=number)
    return tiny_model


@pytest.fixture
def passes(model):
    """How many tokens each pass through the encoder had."""
    passes = []
    model.encoder.register_forward_pre_hook(lambda _, given: passes.append(len(given[0].ids)))
    return passes


def probabilities(model, text, task):
    """By way of tensors, what `predict` should answer."""
    pair = None
    if isinstance(text, tuple):
        text, pair = text
    row = model.text_tokenizer(model.task(task)).rows([text], [pair])[0]
    output = model(input_ids=torch.tensor([row.ids]), head=task)
    values = output.logits[0].softmax(dim=0).tolist()
    return dict(zip(model.heads[task].config.labels, values, strict=True))


def assert_answers(model, found, texts, task):
    assert len(found) == len(texts)
    for answer, text in zip(found, texts, strict=True):
        assert isinstance(answer, ClassificationPrediction)
        expected = probabilities(model, text, task)
        assert answer.probabilities == pytest.approx(expected, abs=1e-5)
        assert answer.label == max(answer.probabilities, key=answer.probabilities.get)
        assert answer.score == answer.probabilities[answer.label]


def test_a_text_alone_is_a_list_of_one(model):
    assert_answers(model, model.predict("the cat sat", task="mood"), ["the cat sat"], "mood")


def test_texts_are_answered_in_their_order(model):
    texts = ["dog " * n for n in (9, 2, 30, 1, 2, 14)]
    assert_answers(model, model.predict(texts, task="topic"), texts, "topic")


def test_any_form_of_an_example_is_understood(model):
    pair = ("the cat", "a dog")
    known = model.predict([pair], task="mood")
    assert_answers(model, known, [pair], "mood")
    for form in (
        pair,
        {"text": "the cat", "text_pair": "a dog"},
        {"text": "the cat", "text_pair": "a dog", "label": "good"},
        TextExample(text="the cat", text_pair="a dog"),
    ):
        assert model.predict(form, task="mood") == known
        assert model.predict([form], task="mood") == known
    assert model.predict(iter([pair]), task="mood") == known
    mixed = ["red", pair, {"text": "blue"}, TextExample(text="red")]
    texts = ["red", pair, "blue", "red"]
    assert_answers(model, model.predict(mixed, task="mood"), texts, "mood")


def test_several_tasks_answer_each_text(model):
    texts = ["the cat sat", "bad day", "good"]
    answers = model.predict(texts, task=["topic", "mood", "bare"])
    assert [list(answer) for answer in answers] == [["topic", "mood", "bare"]] * 3
    for task in ("topic", "mood", "bare"):
        assert_answers(model, [answer[task] for answer in answers], texts, task)


def test_one_task_in_a_list_answers_by_name(model):
    assert model.predict("good", task=["mood"]) == [
        {"mood": answer} for answer in model.predict("good", task="mood")
    ]
    assert model.predict("good", task=("mood", "mood"))[0].keys() == {"mood"}


def test_no_texts_have_no_answers(model):
    for texts in ([], (text for text in ())):
        assert model.predict(texts, task="mood") == []
    assert model.predict([], task=["mood", "topic"]) == []


def test_no_task_is_refused(model):
    with pytest.raises(InputError, match=r"task must be a task's name or a list of some, not \[\]"):
        model.predict(["a", "b"], task=[])


def test_tasks_that_share_an_adapter_share_the_pass(model, passes, two_labels):
    model.add_task("second", head=two_labels, share_adapter="mood")
    model.predict("the cat sat", task=["mood", "second"])
    assert passes == [5]


def test_many_texts_go_in_batches_of_bounded_size(model, passes):
    texts = [f"{'cat ' * (n % 60)}dog" for n in range(300)]
    found = model.predict(texts, task=["mood", "bare"])
    assert len(passes) > 1
    assert max(passes) <= BATCH_TOKENS
    for number in (0, 7, 59, 299):
        text = texts[number]
        assert found[number]["mood"].probabilities == pytest.approx(
            probabilities(model, text, "mood"), abs=1e-5
        )


def test_adapters_of_the_next_batch_are_fetched_before_answers_are_read(model, monkeypatch):
    done = []

    def compute(calls):
        done.append(sorted(call.head for call in calls))
        return model.compute(calls)

    decode = ClassificationHead.decode

    def decoded(head, output, encoded):
        done.append("read")
        return decode(head, output, encoded)

    monkeypatch.setattr(ClassificationHead, "decode", decoded)
    questions = model.questions({"mood": ["the cat sat on the mat"], "topic": ["a dog ran"]})
    prediction.answer(
        questions, prediction.Computing(compute, lambda setups: done.append(tuple(setups)), 8)
    )
    assert done == [["mood"], ("topic",), "read", ["topic"], (), "read"]


@pytest.mark.parametrize(
    ("device", "expected"), [("cpu", BATCH_TOKENS), ("cuda", prediction.GPU_BATCH_TOKENS)]
)
def test_batches_are_larger_on_a_gpu(model, monkeypatch, device, expected):
    seen = []
    monkeypatch.setattr(
        with_heads, "answer", lambda _, computing: [seen.append(computing.batch_tokens)]
    )
    questions = model.questions({"mood": ["a cat"]})
    monkeypatch.setattr(type(model), "device", torch.device(device))
    model.answer(questions)
    assert seen == [expected]


@pytest.mark.parametrize(
    "text",
    ["a\0b", "good 🙂 day", "🙂", "\u202eevil", "é" * 50, "东京 is red", "x" * 5000, "\ud83d"],
)
def test_odd_texts_are_answered_or_refused(model, text):
    try:
        found = model.predict(["good", text, "bad"], task="mood")
    except InputError as error:
        assert text == "\ud83d"  # half of a pair of surrogates
        assert "not Unicode" in str(error)  # noqa: PT017 - most of them are answered
    else:
        assert_answers(model, found, ["good", text, "bad"], "mood")


@pytest.mark.parametrize("text", ["", " ", "\n\t", "\0", "\u200b"])
@pytest.mark.parametrize(
    "form", [lambda text: text, lambda text: ("good", text)], ids=["one", "pair"]
)
def test_a_text_without_words_is_refused(model, text, form):
    with pytest.raises(InputError, match=r"example 2: the (second )?text has no words"):
        model.predict(["good", form(text)], task="mood")


@pytest.mark.parametrize(
    ("value", "part"),
    [
        (None, "not NoneType"),
        (3, "not int"),
        ([None], "text"),
        ([3], "text"),
        ([["a", "b"]], "text"),
        ([("a", "b", "good", "more")], "at most 3 values"),
        ([{"txt": "a"}], "unknown field 'txt'"),
        ([{}], "field 'text' is missing"),
        (b"bytes", "valid string"),
    ],
    ids=str,
)
def test_what_is_no_text_is_refused(model, value, part):
    with pytest.raises(InputError) as caught:
        model.predict(value, task="mood")
    assert part in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_very_long_text_is_cut_to_the_tasks_length(model, passes):
    found = model.predict(["good", LONG], task="mood")
    assert sum(passes) == 3 + 128
    assert_answers(model, found, ["good", LONG], "mood")
    assert model.predict(LONG, task="mood") == model.predict("word " * 200, task="mood")


def test_a_very_long_text_is_refused_by_policy(model, two_labels):
    settings = TextSettings(max_length=64, truncation="refuse")
    model.add_task("strict", head=two_labels, text=settings)
    with pytest.raises(
        InputError, match=r"example 2: the text .* tokens and 62 fit; shorten it, raise max_len"
    ) as caught:
        model.predict(["good", LONG], task="strict")
    assert len(str(caught.value)) < 300
    assert model.predict("good", task="strict")


def test_each_task_reads_texts_by_its_own_settings(model, two_labels, passes):
    model.add_task("short", head=two_labels, adapter=None, text=TextSettings(max_length=5))
    model.predict("cat " * 20, task=["bare", "short"])
    assert sum(passes) == 22 + 5


def test_a_length_beyond_the_encoders_is_refused(model, two_labels):
    with pytest.raises(ConfigError, match="max_length 129 is more than the 128 positions"):
        model.add_task("long", head=two_labels, text=TextSettings(max_length=129))
    assert "long" not in model.tasks
    assert "long" not in model.heads
    assert "long" not in model.adapters


def test_a_short_encoder_cuts_texts_to_its_positions(make_model, two_labels):
    short = make_model(max_position_embeddings=8)
    assert short.add_task("mood", head=two_labels).text.max_length == 8
    assert len(short.predict("good " * 100, task="mood")) == 1


def test_training_mode_is_refused(model):
    model.train()
    with pytest.raises(InputError, match=r"in training mode.* call model\.eval\(\) first"):
        model.predict("good", task="mood")
    model.eval()
    model.adapters["mood"].train()
    with pytest.raises(InputError, match="the task 'mood' is in training mode"):
        model.predict("good", task=["bare", "mood"])
    assert model.predict("good", task="bare")


def test_prediction_records_no_graph(model):
    seen = []
    model.heads["mood"].register_forward_hook(lambda *given: seen.append(given[2]))
    model.predict("good", task="mood")
    assert not seen[0].requires_grad


def test_unknown_tasks_are_refused_with_what_there_is(model):
    for task in ("moood", ["mood", "moood"]):
        with pytest.raises(UnknownTaskError) as caught:
            model.predict("good", task=task)
        assert str(caught.value) == (
            "no task 'moood'; this model has: 'bare', 'mood', 'topic'. Did you mean 'mood'? "
            "Add one with model.add_task(name, head=...) or model.load_task(folder)."
        )


@pytest.mark.parametrize("task", [None, 3, [None], [["mood"]]], ids=str)
def test_a_task_of_another_form_is_refused(model, task):
    with pytest.raises(InputError, match="task must be a task's name or a list of some, not"):
        model.predict("good", task=task)


def test_tasks_may_be_named_by_what_lists_them(model):
    assert model.predict("good", task=model.tasks)[0].keys() == model.tasks.keys()


def test_unknown_keyword_arguments_are_type_errors(model):
    for arguments in ({}, {"task": "mood", "head": "mood"}, {"task": "mood", "batch_size": 3}):
        with pytest.raises(TypeError):
            model.predict("good", **arguments)


def test_a_model_without_tokenizer_takes_tensors_only(make_model, two_labels):
    model = DistilBertModelWithHeads(make_model().encoder)
    model.add_task("mood", head=two_labels)
    with pytest.raises(InputError, match="came without a tokenizer and takes tensors only"):
        model.predict("good", task="mood")
    assert model(input_ids=torch.tensor([[2, 7, 3]]), head="mood").logits.shape == (1, 2)


def test_a_call_of_a_task_has_its_rows_and_counts(model):
    task = model.task("topic")
    head = model.heads["topic"]
    examples = [TextExample(text="red cat"), TextExample(text="dog")]
    encoded = head.encode(examples, model.text_tokenizer(task))
    call = HeadCall.of(task, encoded)
    assert call.head == "topic"
    assert call.adapters == ("topic", "topic")
    assert call.row_counts == (1, 1)
    assert call.rows == tuple(item.rows[0] for item in encoded)


def test_each_task_answers_its_own_examples(model):
    questions = model.questions({"topic": ["red cat", "dog"], "mood": ["good"]})
    answers = model.answer(questions)
    assert list(map(len, answers.values())) == [2, 1]
    for task, texts in (("topic", ["red cat", "dog"]), ("mood", ["good"])):
        for found, expected in zip(answers[task], model.predict(texts, task=task), strict=True):
            assert found.probabilities == pytest.approx(expected.probabilities, abs=1e-5)
    assert model.answer(model.questions({"mood": []})) == {"mood": []}


def test_a_value_that_is_no_example_is_refused_with_its_place(model):
    with pytest.raises(InputError, match="example 2: not an example") as caught:
        model.questions({"mood": ["good", {"texts": "good"}]})
    assert caught.value.index == 1
