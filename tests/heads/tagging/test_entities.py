import pytest
from hypothesis import given
from hypothesis import strategies as st
from seqeval.metrics.sequence_labeling import get_entities

from polyhead.errors import InputError
from polyhead.heads import TaggingEntity
from polyhead.heads.tagging.entities import entities_in, tags_for

BIO = st.sampled_from(["O", "B-A", "I-A", "B-B-C", "I-B-C"])
BIOES = st.sampled_from(["O", *(f"{prefix}-{name}" for prefix in "BIES" for name in ("A", "B"))])
TEXT = "Ada Lovelace met Mr. Babbage"
WORDS = [(0, 3), (4, 12), (13, 16), (17, 19), (19, 20), (21, 28)]


def entity(start, end, label="PER"):
    return TaggingEntity(start=start, end=end, label=label)


@pytest.mark.parametrize(("scheme", "tags"), [("bio", BIO), ("bioes", BIOES)])
def test_entities_of_any_tags_are_those_of_seqeval(scheme, tags):
    @given(st.lists(tags, max_size=12))
    def check(sequence):
        expected = [(name, first, last + 1) for name, first, last in get_entities(sequence)]
        assert [tuple(found) for found in entities_in(sequence, scheme)] == expected

    check()


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ("O B-X I-X O", [("X", 1, 3)]),
        ("I-X I-X O I-Y", [("X", 0, 2), ("Y", 3, 4)]),
        ("B-X I-Y", [("X", 0, 1), ("Y", 1, 2)]),
        ("B-X B-X", [("X", 0, 1), ("X", 1, 2)]),
        ("", []),
    ],
)
def test_bio_is_read_even_where_answers_break_it(tags, expected):
    assert entities_in(tags.split(), "bio") == expected


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ("B-X I-X E-X S-X", [("X", 0, 3), ("X", 3, 4)]),
        ("B-X E-X E-X", [("X", 0, 2), ("X", 2, 3)]),
        ("S-X I-X", [("X", 0, 1), ("X", 1, 2)]),
        ("B-X E-Y", [("X", 0, 1), ("Y", 1, 2)]),
        ("B-X O E-X", [("X", 0, 1), ("X", 2, 3)]),
    ],
)
def test_bioes_is_read_even_where_answers_break_it(tags, expected):
    assert entities_in(tags.split(), "bioes") == expected


def test_plain_tags_stand_for_no_entities():
    assert entities_in(["B-X", "NN"], "plain") == []


@pytest.mark.parametrize(
    ("scheme", "expected"),
    [
        ("bio", "B-PER I-PER O B-PER I-PER I-PER"),
        ("bioes", "B-PER E-PER O B-PER I-PER E-PER"),
    ],
)
def test_words_in_entities_get_the_tags_of_the_scheme(scheme, expected):
    tags = tags_for([entity(17, 28), entity(0, 12)], WORDS, TEXT, scheme)
    assert tags == expected.split()


def test_an_entity_of_one_word_is_s_in_bioes():
    tags = tags_for([entity(0, 3, "A"), entity(4, 12, "B")], WORDS, TEXT, "bioes")
    assert tags == ["S-A", "S-B", "O", "O", "O", "O"]


@given(
    st.lists(st.booleans(), min_size=1, max_size=12),
    st.lists(st.integers(1, 3), min_size=12, max_size=12),
    st.sampled_from(["bio", "bioes"]),
)
def test_tags_stand_for_the_entities_they_are_made_of(flags, lengths, scheme):
    """Words of one letter; runs of words are entities or not."""
    words = [(2 * place, 2 * place + 1) for place in range(40)]
    entities, expected, place = [], [], 0
    for flag, length in zip(flags, lengths, strict=False):
        if flag:
            entities.append(entity(words[place][0], words[place + length - 1][1], "X"))
            expected.append(("X", place, place + length))
        place += length
    tags = tags_for(entities, words, "x " * 40, scheme)
    assert entities_in(tags, scheme) == expected


def test_spaces_around_an_entity_belong_to_no_word():
    assert tags_for([entity(3, 13)], WORDS, TEXT, "bio")[:3] == ["O", "B-PER", "O"]


@pytest.mark.parametrize(
    ("start", "end", "message"),
    [
        (1, 12, r"'da Lovelace' \(PER\) begins or ends within the word 'Ada'; move its"),
        (0, 10, r"'Ada Lovela' \(PER\) begins or ends within the word 'Lovelace'"),
        (5, 7, r"'ov' \(PER\) begins or ends within the word 'Lovelace'"),
        (3, 4, r"' ' \(PER\) has no word in it"),
    ],
)
def test_an_entity_off_the_borders_of_words_is_refused_with_its_text(start, end, message):
    with pytest.raises(InputError, match=f"the entity {message}"):
        tags_for([entity(start, end)], WORDS, TEXT, "bio")


def test_entities_need_tags_that_can_stand_for_them():
    with pytest.raises(InputError, match="this head's tags are plain; train it with scheme='bio'"):
        tags_for([], WORDS, TEXT, "plain")
