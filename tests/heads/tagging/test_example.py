import pytest

from polyhead.errors import InputError
from polyhead.heads import TaggingEntity, TaggingExample, TaggingHead

PER = {"start": 0, "end": 3, "label": "PER"}


@pytest.mark.parametrize(
    ("value", "fields"),
    [
        ("Ada met", {"text": "Ada met"}),
        (["Ada", "met"], {"tokens": ("Ada", "met")}),
        ((["Ada", "met"], ["PER", "O"]), {"tokens": ("Ada", "met"), "tags": ("PER", "O")}),
        (("Ada met", [PER]), {"text": "Ada met", "entities": (TaggingEntity(**PER),)}),
        (("Ada met",), {"text": "Ada met"}),
        ({"text": "Ada met", "entities": []}, {"text": "Ada met", "entities": ()}),
        ({"tokens": ["Ada"], "tags": [1]}, {"tokens": ("Ada",), "tags": ("1",)}),
    ],
)
def test_texts_words_and_tuples_are_examples(value, fields):
    assert TaggingHead.parse(value) == TaggingExample(**fields)
    assert TaggingHead.parse(TaggingExample(**fields)) == TaggingExample(**fields)


@pytest.mark.parametrize(
    "entity", [PER, (0, 3, "PER"), [0, 3, "PER"], {**PER, "score": 0.5, "text": "Ada"}]
)
def test_entities_are_read_as_tools_write_them(entity):
    found = TaggingHead.parse({"text": "Ada", "entities": [entity]})
    assert found.entities == (TaggingEntity(start=0, end=3, label="PER"),)


def test_characters_are_counted_in_the_text_or_in_the_joined_words():
    assert TaggingExample(text=" a ").content == " a "
    assert TaggingExample(tokens=("a", "", "b")).content == "a  b"


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({}, "it takes a text or its tokens, and neither is there"),
        ({"text": "a", "tokens": ["a"]}, "it takes a text or its tokens, and both are there"),
        ([], "the list of tokens is empty"),
        ((["a"], ["O", "O"]), "tags and tokens differ in number: 2 and 1"),
        ((["a"], []), "tags and tokens differ in number: 0 and 1"),
        ({"text": "a", "tags": ["O"]}, "tags need tokens, one a tag; a text goes with entities"),
        ({"tokens": ["a"], "tags": ["O"], "entities": []}, "tags or entities, and both are there"),
        ({"tokens": "a b"}, r"tokens: must be a list \(got 'a b'\)"),
        ({"tokens": ["a", 3]}, r"tokens\.1: Input should be a valid string \(got 3\)"),
        ({"tokens": ["a"], "tags": "O"}, r"tags: must be a list \(got 'O'\)"),
        ({"tokens": ["a"], "tags": [2.5]}, r"tags\.0: a label is a text .* \(got 2\.5\)"),
        ({"tokens": ["a"], "tags": [""]}, r"tags\.0: a label is a text that is not empty"),
        ({"text": "a", "entities": {}}, r"entities: must be a list \(got {}\)"),
        ({"text": "a", "entities": [3]}, r"entities\.0: must be an object such as"),
        (("Ada", [(0, 4, "PER")]), "'PER' at 0 to 4 is no part of the text, .* 0 to 3"),
        (("Ada", [(3, 3, "PER")]), "'PER' at 3 to 3 is no part of the text"),
        (("Ada", [(2, 1, "PER")]), "'PER' at 2 to 1 is no part of the text"),
        (("Ada", [(-1, 1, "PER")]), r"entities\.0\.start: .*greater than or equal to 0"),
        (("Ada", [("x", 1, "PER")]), r"entities\.0\.start: .*integer"),
        (("Ada", [(0, 1, None)]), r"entities\.0\.label: a label is a text"),
        (
            ("Ada met", [(4, 7, "B"), (0, 5, "A")]),
            r"the entities 'Ada m' \(A\) and 'met' \(B\) overlap",
        ),
        (("a", [], "c"), r"is \(text, entities\) or \(tokens, tags\), not 3 values"),
        ((), r"is \(text, entities\) or \(tokens, tags\), not 0 values"),
        (3, "text: Input should be a valid string"),
    ],
)
def test_what_is_no_example_is_refused_in_one_sentence(value, message):
    with pytest.raises(InputError, match=message) as caught:
        TaggingHead.parse(value)
    assert "\n" not in str(caught.value)


def test_entities_that_touch_do_not_overlap():
    entities = [(3, 6, "B"), (0, 3, "A")]
    assert len(TaggingHead.parse(("abcdef", entities)).entities) == 2
