import json

import pytest
from pydantic import ValidationError

from polyhead.heads import MultilabelExample


@pytest.mark.parametrize(
    ("given", "labels"),
    [
        (["joy", "fear"], ("joy", "fear")),
        (("joy",), ("joy",)),
        ({"joy"}, ("joy",)),
        (frozenset({"joy"}), ("joy",)),
        ([], ()),
        ([1, True], ("1", "True")),
        (["a|b"], ("a|b",)),
        ("joy", ("joy",)),
        ("joy|fear", ("joy", "fear")),
        (" joy | very sad ", ("joy", "very sad")),
        ("joy, fear", ("joy, fear",)),
        ("", ()),
        ("  ", ()),
        (None, None),
    ],
)
def test_labels_come_as_a_list_or_as_text_with_bars(given, labels):
    assert MultilabelExample(text="a", labels=given).labels == labels


def test_a_label_named_twice_counts_once():
    assert MultilabelExample(text="a", labels=["b", "a", "b"]).labels == ("b", "a")
    assert MultilabelExample(text="a", labels="b|a|b").labels == ("b", "a")


@pytest.mark.parametrize("labels", [3, 1.5, True, b"a", {"a": 1}])
def test_what_is_no_list_of_labels_is_refused(labels):
    with pytest.raises(ValidationError, match="must be a list of labels, or a text with"):
        MultilabelExample(text="a", labels=labels)


@pytest.mark.parametrize("labels", [[""], "a||b", "|", ["a", None], [1.5], [["a"]]])
def test_a_label_without_a_name_is_refused(labels):
    with pytest.raises(ValidationError, match="a label is a text that is not empty"):
        MultilabelExample(text="a", labels=labels)


def test_a_tuple_means_text_then_pair_then_labels():
    assert list(MultilabelExample.model_fields) == ["text", "text_pair", "labels"]
    assert MultilabelExample.target_fields == ("labels",)


@pytest.mark.parametrize("labels", [["a", "b"], [], None])
def test_an_example_survives_json(labels):
    example = MultilabelExample(text="a", labels=labels)
    assert MultilabelExample.model_validate(json.loads(example.model_dump_json())) == example
