import pytest
from pydantic import ValidationError

from polyhead.heads import TextExample


@pytest.mark.parametrize(
    ("given", "label"), [("good", "good"), (3, "3"), (0, "0"), (True, "True"), (False, "False")]
)
def test_whole_numbers_and_truth_values_become_labels(given, label):
    assert TextExample(text="a", label=given).label == label


@pytest.mark.parametrize("label", [1.5, "", ["a"], {"a": 1}, b"a"])
def test_anything_else_is_no_label(label):
    with pytest.raises(ValidationError, match="label"):
        TextExample(text="a", label=label)


def test_a_label_that_could_not_be_saved_is_refused():
    with pytest.raises(ValidationError, match="half of a surrogate pair"):
        TextExample(text="a", label="b\ud800")


def test_no_label_stays_none():
    assert TextExample(text="a", label=None).label is None


def test_texts_are_kept_as_they_are():
    example = TextExample(text=" a\x00\U0001f600 ", text_pair="")
    assert example.text == " a\x00\U0001f600 "
    assert example.text_pair == ""


def test_a_tuple_means_text_then_pair_then_label():
    assert list(TextExample.model_fields) == ["text", "text_pair", "label"]
