import pytest
from polyhead_dependency import DependencyExample, DependencyHead

import polyhead as ph
from polyhead.train import read_examples

TREE = {"tokens": ["Go", "home"], "heads": [0, 1], "deprels": ["root", "advmod"]}


def test_a_text_is_split_at_white_space_and_keeps_its_places():
    example = DependencyExample(text="  Ada\twrote\u00a0it. ")
    assert example.words == ("Ada", "wrote", "it.")
    assert [example.text[start:end] for start, end in example.spans()] == ["Ada", "wrote", "it."]


def test_words_are_counted_with_a_space_between():
    example = DependencyExample(tokens=["San Jose", "is", "", "far"])
    joined = "San Jose is  far"
    assert [joined[start:end] for start, end in example.spans()] == ["San Jose", "is", "", "far"]


@pytest.mark.parametrize(
    ("value", "fields"),
    [
        ("Go home", {"text": "Go home"}),
        (("Go home",), {"text": "Go home"}),
        (["Go", "home"], {"tokens": ("Go", "home")}),
        ((["Go", "home"],), {"tokens": ("Go", "home")}),
        ((["Go", "home"], [0, 1], ["root", "advmod"]), TREE),
        ({"text": "Go home"}, {"text": "Go home"}),
    ],
)
def test_an_example_is_a_text_words_or_words_with_their_tree(value, fields):
    assert DependencyHead.parse(value) == DependencyExample(**fields)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({}, "it takes a text or its tokens, and neither is there"),
        ({**TREE, "text": "Go home"}, "it takes a text or its tokens, and both are there"),
        ({"tokens": []}, "the list of tokens is empty"),
        ({"tokens": "Go home"}, "tokens: must be a list (got 'Go home')"),
        ({"text": "Go", "heads": [0], "deprels": ["root"]}, "heads need tokens, one a head"),
        ({**TREE, "deprels": None}, "heads and deprels go together, and deprels are missing"),
        ({**TREE, "heads": None}, "heads and deprels go together, and heads are missing"),
        ({**TREE, "heads": [0]}, "tokens, heads and deprels differ in number: 2, 1 and 2"),
        ({**TREE, "deprels": ["root"]}, "tokens, heads and deprels differ in number: 2, 2 and 1"),
        ({**TREE, "heads": [0, 3]}, "the head of word 2 is 3, and the heads of 2 words are"),
        ({**TREE, "heads": [0, -1]}, "the head of word 2 is -1"),
        ({**TREE, "heads": [0, 0]}, "the words 1 and 2 both have the head 0; a tree has one root"),
        ({**TREE, "heads": [2, 1]}, "no word has the head 0, so that there is no root"),
        ({**TREE, "heads": [0, 2]}, "word 2 is its own head"),
        ({**TREE, "heads": [0, "1"]}, "heads.1: Input should be a valid integer"),
        ({**TREE, "heads": [0, True]}, "heads.1: Input should be a valid integer"),
        ({**TREE, "deprels": ["root", ""]}, "deprels.1: a label is a text that is not empty"),
        ({**TREE, "tags": ["VERB", "ADV"]}, "unknown field 'tags'"),
    ],
)
def test_what_is_no_sentence_with_a_tree_is_refused_in_one_sentence(fields, reason):
    with pytest.raises(ph.InputError) as caught:
        DependencyHead.parse(fields)
    assert str(caught.value).startswith("not an example of 'dependency': ")
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_circle_beside_the_root_is_refused():
    fields = {"tokens": list("abcd"), "heads": [0, 4, 2, 3], "deprels": list("abcd")}
    with pytest.raises(ph.InputError, match="the words 2, 3, 4 hang on one another in a circle"):
        DependencyHead.parse(fields)


def test_a_tuple_of_too_many_values_is_refused():
    with pytest.raises(ph.InputError, match=r"is \(tokens, heads, deprels\), not 4 values"):
        DependencyHead.parse((["Go"], [0], ["root"], 1))


def test_data_files_may_have_other_columns(tmp_path):
    path = tmp_path / "train.jsonl"
    path.write_text(
        '{"id": "a", "tokens": ["Go"], "tags": ["VERB"], "heads": [0], "deprels": ["root"]}\n'
    )
    [example] = read_examples(path, DependencyHead)
    assert example == DependencyExample(tokens=["Go"], heads=[0], deprels=["root"])
