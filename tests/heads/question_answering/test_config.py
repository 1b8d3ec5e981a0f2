import pytest

from polyhead.errors import ConfigError, InputError
from polyhead.heads import (
    QuestionAnsweringExample,
    QuestionAnsweringHead,
    QuestionAnsweringHeadConfig,
)

ANSWERED = QuestionAnsweringExample(
    question="q", context="red", answers=[{"text": "red", "answer_start": 0}]
)
NULL = QuestionAnsweringExample(question="q", context="red", answers=[])
UNLABELLED = QuestionAnsweringExample(question="q", context="red")


@pytest.mark.parametrize(
    ("options", "examples", "expected"),
    [
        ({}, [ANSWERED], False),
        ({}, [ANSWERED, NULL], True),
        ({"null_answers": None}, [NULL], True),
        ({"null_answers": True}, [ANSWERED], True),
        ({}, [], False),
    ],
)
def test_null_answers_are_on_where_an_example_has_one_or_they_are_asked_for(
    options, examples, expected
):
    assert QuestionAnsweringHead.configure(options, examples).null_answers is expected


def test_other_options_are_kept():
    config = QuestionAnsweringHead.configure({"n_best": 3, "hidden": "mix"}, [NULL])
    assert config == QuestionAnsweringHeadConfig(n_best=3, hidden="mix", null_answers=True)


def test_examples_without_answers_are_refused():
    with pytest.raises(InputError, match="1 of 2 training examples have no answers"):
        QuestionAnsweringHead.configure({}, [ANSWERED, UNLABELLED])


def test_null_examples_are_refused_where_null_answers_are_off():
    with pytest.raises(InputError, match=r"example 2: .* is empty, as in 1 of 2 .* is off"):
        QuestionAnsweringHead.configure({"null_answers": False}, [ANSWERED, NULL])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"overlap": -1}, "overlap: .*greater than or equal to 0"),
        ({"n_best": 0}, "n_best: .*greater than or equal to 1"),
        ({"max_answer_length": 0}, "max_answer_length: "),
        ({"dropout": 1}, "dropout: "),
        ({"null_threshold": float("nan")}, "null_threshold: .*finite"),
        ({"stride": 3}, "unknown field 'stride'.*overlap"),
    ],
)
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        QuestionAnsweringHead.configure(options, [ANSWERED])
