import json
from pathlib import Path

import pytest

import polyhead
from polyhead.errors import ConfigError, InputError

FOLDER = Path(__file__).parents[1] / "fixtures" / "pipelines" / "question_answering"
RECORDED = json.loads((FOLDER / "expected.json").read_text("utf-8"))["questions"]
QUESTION, CONTEXT = "who ran?", "The cat sat on the mat, and the dog ran."


@pytest.fixture(scope="module")
def oracle(reader):
    return polyhead.pipeline("question-answering", model=reader, device="cpu")


@pytest.mark.parametrize("recorded", RECORDED, ids=lambda item: str(item["options"]))
def test_answers_are_those_of_transformers(oracle, assert_same, recorded):
    found = oracle(
        question=recorded["question"], context=recorded["context"], **recorded["options"]
    )
    assert_same(found, recorded["answer"])


def test_answers_do_not_depend_on_what_is_asked_beside_them(oracle, assert_same):
    items = [{name: item[name] for name in ("question", "context")} for item in RECORDED]
    for found, item in zip(oracle(items), items, strict=True):
        assert_same(found, oracle(item))


def test_all_ways_to_ask_are_understood(oracle):
    answer = oracle(question=QUESTION, context=CONTEXT)
    item = {"question": QUESTION, "context": CONTEXT}
    assert answer["answer"] == CONTEXT[answer["start"] : answer["end"]]
    assert oracle(QUESTION, CONTEXT) == answer
    assert oracle(item) == answer
    assert oracle([item]) == answer
    assert oracle(question=[QUESTION], context=[CONTEXT]) == answer
    assert oracle({**item, "id": "7", "answers": []}) == answer
    assert oracle([item, item]) == [answer, answer]
    assert oracle(question=[QUESTION, QUESTION], context=CONTEXT) == [answer, answer]
    assert oracle(question=[QUESTION] * 2, context=[CONTEXT] * 2) == [answer, answer]
    assert list(oracle(iter([item]))) == [answer]
    assert oracle([]) == []
    assert oracle(question=[], context=[]) == []


def test_no_answer_can_be_an_answer(oracle):
    found = oracle(QUESTION, CONTEXT, handle_impossible_answer=True, top_k=50)
    nothing = [item for item in found if not item["answer"]]
    assert [(item["start"], item["end"]) for item in nothing] == [(0, 0)]
    assert all(item["answer"] for item in oracle(QUESTION, CONTEXT, top_k=50))


def test_no_answer_is_longer_than_asked(oracle):
    for item in oracle(QUESTION, CONTEXT, max_answer_len=1, align_to_words=False, top_k=50):
        assert item["answer"] in {
            "The",
            "cat",
            "sat",
            "on",
            "the",
            "mat",
            "dog",
            "ran",
            ",",
            ".",
        } or (len(item["answer"]) == 1)


def test_a_question_is_cut_only_where_that_is_asked(oracle):
    question = "who ran on the mat?"
    whole, cut = oracle(question, CONTEXT), oracle(question, CONTEXT, max_question_len=2)
    beginning = oracle("who", CONTEXT, max_question_len=2)  # w ##h ##o
    assert whole["score"] != cut["score"]
    assert cut == oracle("wh", CONTEXT) == beginning
    assert oracle(question, CONTEXT, max_question_len=40) == whole


def test_a_long_question_leaves_less_to_share(oracle):
    question = "is the cat good or is the dog good or is the red mat bad or blue?"
    long = "The cat is good. The dog is bad. " * 4
    answer = oracle(question, long, max_seq_len=40, doc_stride=20)
    assert answer["answer"] == long[answer["start"] : answer["end"]]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "a pipeline takes a text"),
        ({"question": "a"}, "there is no context"),
        ({"context": "a"}, "there is no question"),
        ({"question": "", "context": "a"}, "the question has no words"),
        ({"question": "a", "context": ""}, "the context has no words"),
        ({"question": "a", "context": " \n"}, "the context has no words"),
        ({"question": ["a", " "], "context": "b"}, "example 2: the question has no words"),
        ({"question": ["a"], "context": ["b", "c"]}, "there are 1 questions and 2 contexts"),
        ({"question": "a", "context": ["b"]}, "a list of questions and one text, or two lists"),
        ({"question": 3, "context": "a"}, "not int and str"),
        ({"inputs": {"question": "a"}}, "a question is asked as"),
        ({"inputs": {"question": "a", "context": None}}, "a context must be a str, not NoneType"),
        ({"inputs": ["a"]}, "example 1: a question is asked as"),
        ({"inputs": "a"}, "there is no context"),
        ({"inputs": {"question": "a", "context": "b"}, "question": "a"}, "given twice"),
        (
            {"question": "the cat " * 30, "context": "the dog"},
            "the question has 60 tokens, and a window of 48 has no room",
        ),
        (
            {"question": ["a", "the cat " * 30], "context": "the dog"},
            "example 2: the question has 60 tokens",
        ),
    ],
    ids=lambda value: str(value)[:50],
)
def test_bad_inputs_are_refused(oracle, arguments, words):
    with pytest.raises(InputError, match=words):
        oracle(**arguments)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"top_k": 0}, "top_k"),
        ({"max_answer_len": 0}, "max_answer_len"),
        ({"max_seq_len": 0}, "max_seq_len"),
        ({"doc_stride": -1}, "doc_stride"),
        ({"doc_stride": 30, "max_seq_len": 20}, "doc_stride=30 is more than the 20 tokens"),
        ({"handle_impossible_answer": "yes"}, "handle_impossible_answer"),
        ({"max_question_length": 3}, "Did you mean 'max_question_len'"),
    ],
    ids=str,
)
def test_bad_options_are_refused(oracle, options, words):
    with pytest.raises(ConfigError, match=words):
        oracle(QUESTION, CONTEXT, **options)


def test_a_window_longer_than_the_model_reads_is_refused(oracle):
    with pytest.raises(InputError, match="has 60 tokens and this model reads 48 at most"):
        oracle(QUESTION, CONTEXT * 6, max_seq_len=60)


def test_padding_changes_nothing(oracle):
    assert oracle(QUESTION, CONTEXT, padding="max_length") == oracle(QUESTION, CONTEXT)
