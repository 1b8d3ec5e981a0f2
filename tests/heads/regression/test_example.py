import json
import math

import numpy as np
import pytest
from pydantic import ValidationError

from polyhead.errors import InputError
from polyhead.heads import RegressionExample
from polyhead.heads.regression.example import values_of


@pytest.mark.parametrize(
    ("given", "label"),
    [
        (3.5, 3.5),
        (3, 3.0),
        (-0.0, 0.0),
        (np.float32(0.5), 0.5),
        (np.int64(2), 2.0),
        ("3.5", 3.5),
        (" -1e3 ", -1000.0),
        ([1, 2.5], (1.0, 2.5)),
        ((1, "2.5"), (1.0, 2.5)),
        ("1 | 2.5", (1.0, 2.5)),
        ({"a": 1, "b": "2"}, {"a": 1.0, "b": 2.0}),
        ({1: 2}, {"1": 2.0}),
        (None, None),
    ],
)
def test_numbers_come_alone_in_lists_by_name_and_as_text(given, label):
    found = RegressionExample(text="a", label=given).label
    assert found == label
    assert type(found) is type(label)


@pytest.mark.parametrize(
    "label", ["good", "", "1|", "1;2", True, [True], b"1", 1j, [[1]], {"a": None}]
)
def test_what_is_no_number_is_refused(label):
    with pytest.raises(ValidationError, match="must be a number, or numbers as a list"):
        RegressionExample(text="a", label=label)


@pytest.mark.parametrize(
    "label",
    [math.nan, math.inf, -math.inf, "nan", "inf", [1, math.nan], {"a": math.inf}, 1e39, 10**400],
)
def test_numbers_that_are_not_finite_or_too_large_are_refused(label):
    with pytest.raises(ValidationError, match=r"must be a finite number of at most 3\.4e\+38"):
        RegressionExample(text="a", label=label)


@pytest.mark.parametrize("label", [[], {}, ()])
def test_no_number_at_all_is_refused(label):
    with pytest.raises(ValidationError, match="must have at least one number"):
        RegressionExample(text="a", label=label)


def test_a_refusal_is_one_problem_in_one_place():
    with pytest.raises(ValidationError) as caught:
        RegressionExample(text="a", label=["x"])
    assert [problem["loc"] for problem in caught.value.errors()] == [("label",)]


def test_a_tuple_means_text_then_pair_then_label():
    assert list(RegressionExample.model_fields) == ["text", "text_pair", "label"]


@pytest.mark.parametrize("label", [1.5, [1.5, 2.0], {"a": 1.5}, None])
def test_an_example_survives_json(label):
    example = RegressionExample(text="a", text_pair="b", label=label)
    assert RegressionExample.model_validate(json.loads(example.model_dump_json())) == example


@pytest.mark.parametrize(
    ("label", "outputs", "values"),
    [
        (1.5, ("score",), (1.5,)),
        ((1.5,), ("score",), (1.5,)),
        ({"score": 1.5}, ("score",), (1.5,)),
        ((1.0, 2.0), ("a", "b"), (1.0, 2.0)),
        ({"b": 2.0, "a": 1.0}, ("a", "b"), (1.0, 2.0)),
    ],
)
def test_values_are_in_the_order_of_the_outputs(label, outputs, values):
    assert values_of(label, outputs) == values


@pytest.mark.parametrize(
    ("label", "outputs", "message"),
    [
        ((1.0, 2.0), ("score",), "the label has 2 values and this head 1 output: 'score'"),
        (1.0, ("a", "b"), "the label has 1 value and this head 2 outputs: 'a', 'b'"),
        ({"a": 1.0}, ("a", "b"), "the label has no value for the output 'b'"),
        ({"a": 1.0, "c": 2.0}, ("a", "b"), "a value for 'c', which is no output of this head"),
    ],
)
def test_values_that_do_not_fit_the_outputs_are_refused(label, outputs, message):
    with pytest.raises(InputError, match=message):
        values_of(label, outputs)
