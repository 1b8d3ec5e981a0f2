import re

import pytest
from pydantic import TypeAdapter, ValidationError

from polyhead.errors import InputError
from polyhead.heads.labels import LabelNames, LabelWeights, check_known, check_labelled


def test_names_are_texts_each_there_once():
    names = TypeAdapter(LabelNames)
    assert names.validate_python(["b", 1, "a"]) == ("b", "1", "a")
    with pytest.raises(ValidationError, match="'1' is there twice"):
        names.validate_python(("1", 1))


def test_examples_all_labelled_are_fine():
    check_labelled(["a", (), 0.0], "topic")


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([], "there are no training examples for a topic task to learn from."),
        (["a", None, None], "2 of 3 training examples have no label; a topic task learns from"),
    ],
)
def test_examples_without_labels_are_refused(labels, message):
    with pytest.raises(InputError, match=re.escape(message)):
        check_labelled(labels, "topic")


def test_labels_of_the_data_must_be_those_given():
    check_known([{"a"}, ()], ("a", "b"))
    with pytest.raises(
        InputError, match=r"label 'c' is not among the given ones: 'a', 'b'"
    ) as caught:
        check_known([{"a"}, ("d", "c", "a"), {"e"}], ("a", "b"))
    assert caught.value.index == 1


def test_weights_are_numbers_above_0():
    weights = TypeAdapter(LabelWeights)
    assert weights.validate_python([1, 0.5]) == (1.0, 0.5)
    for odd in ("fair", 3, [1, 0], ["much"]):
        with pytest.raises(ValidationError):
            weights.validate_python(odd)
