from dataclasses import astuple
from types import SimpleNamespace

import pytest

from polyhead.contracts import Example, sample_of
from polyhead.errors import InputError
from polyhead.registry import registry
from polyhead.serve.ui.inputs import Inputs, example_of, fields_of, inputs_of, lines_of


class ParseExample(Example):
    text: str
    grammar: str
    depth: int = 3


def record(kind, example=None):
    example = example or registry().head(kind).Example
    return SimpleNamespace(
        name=kind,
        head_kind=kind,
        example=sample_of(example),
        schemas={
            "example": example.model_json_schema(),
            "prediction": {"properties": {"embedding": {}} if kind == "embedding" else {}},
        },
    )


READ = {
    "classification": {"text", "text_pair"},
    "embedding": {"text", "text_pair", "others"},
    "masked_lm": {"text"},
    "multilabel": {"text", "text_pair"},
    "multiple_choice": {"text", "choices"},
    "question_answering": {"question", "context"},
    "regression": {"text", "text_pair"},
    "tagging": {"text"},
}


@pytest.mark.parametrize("kind", sorted(READ))
def test_the_fields_of_each_kind(kind):
    assert fields_of(record(kind)) == READ[kind]


@pytest.mark.parametrize("kind", sorted(READ))
def test_a_task_s_own_example_comes_back_from_its_fields(kind):
    task = record(kind)
    assert example_of(task, inputs_of(task)) == task.example


def test_a_task_that_needs_other_fields_reads_them_as_json():
    task = record("parse", ParseExample)
    assert fields_of(task) == {"text", "more"}
    inputs = Inputs(text="a dog", more='{"grammar": "en", "other": 1}')
    assert example_of(task, inputs) == {"text": "a dog", "grammar": "en"}
    assert example_of(task, inputs_of(task)) == task.example


@pytest.mark.parametrize("more", ["{", "[1]", "1", "[" * 5000])
def test_other_fields_that_are_no_object_are_refused(more):
    with pytest.raises(InputError, match="no JSON object"):
        example_of(record("parse", ParseExample), Inputs(text="a dog", more=more))


def test_a_second_text_is_left_out_where_there_is_none():
    assert example_of(record("classification"), Inputs(text="a")) == {"text": "a"}
    pair = example_of(record("classification"), Inputs(text="a", text_pair="b"))
    assert pair == {"text": "a", "text_pair": "b"}


def test_an_empty_text_is_asked_as_it_is():
    assert example_of(record("tagging"), Inputs()) == {"text": ""}


def test_the_text_is_the_context_where_none_is_given():
    task = record("question_answering")
    asked = example_of(task, Inputs(text="a", question="b"))
    assert asked == {"question": "b", "context": "a"}
    asked = example_of(task, Inputs(text="a", question="b", context="c"))
    assert asked == {"question": "b", "context": "c"}


def test_choices_without_a_text_are_read_alone():
    asked = example_of(record("multiple_choice"), Inputs(choices=" a \n\n b"))
    assert asked == {"choices": ["a", "b"]}


def test_lines_that_are_blank_do_not_count():
    assert lines_of("a\n  \n b \r\n") == ["a", "b"]


def test_every_field_counts_towards_the_limit():
    inputs = Inputs(*("ab" for _ in astuple(Inputs())))
    assert inputs.n_chars == 2 * len(astuple(inputs))
