import pytest

from polyhead.heads.tagging.scheme import described, is_tag_of, scheme_of, tags_of_types


@pytest.mark.parametrize(
    ("tags", "scheme"),
    [
        ({"O", "B-PER", "I-PER"}, "bio"),
        ({"O", "I-PER"}, "bio"),
        ({"B-NP", "I-NP"}, "bio"),
        ({"O", "B-creative-work"}, "bio"),
        ({"O", "B-PER", "I-PER", "E-PER", "S-PER"}, "bioes"),
        ({"O", "S-PER"}, "bioes"),
        ({"NOUN", "VERB"}, "plain"),
        ({"O", "PER"}, "plain"),
        ({"O"}, "plain"),
        ({"B", "I", "O"}, "plain"),
        ({"LABEL_0", "LABEL_1"}, "plain"),
        ({"B-", "I-", "NN"}, "plain"),
        ({"B-X", "NN"}, "plain"),
        (set(), "bio"),
    ],
)
def test_the_scheme_is_the_one_that_all_tags_follow(tags, scheme):
    assert scheme_of(tags) == scheme


@pytest.mark.parametrize("odd", ["X-PER", "b-PER", "L-PER", "PER", "B", "B-"])
def test_a_tag_that_does_not_go_with_the_others_is_refused(odd):
    with pytest.raises(ValueError, match=f"'{odd}' is none of O, B-type, .*scheme='plain'"):
        scheme_of(["O", "B-PER", odd])


@pytest.mark.parametrize("tag", ["B", "B-", "-X", "IB-X", "", "X-X", "E-X", "o"])
def test_what_is_no_tag_of_bio(tag):
    assert not is_tag_of(tag, "bio")
    assert is_tag_of(tag, "plain")


def test_e_and_s_are_tags_of_bioes_alone():
    assert is_tag_of("E-X", "bioes")
    assert is_tag_of("S-X-Y", "bioes")
    assert not is_tag_of("S-X", "bio")


def test_all_tags_of_some_types_are_in_a_fixed_order():
    assert tags_of_types({"PER", "LOC"}, "bio") == ("O", "B-LOC", "I-LOC", "B-PER", "I-PER")
    assert tags_of_types(["A"], "bioes") == ("O", "B-A", "I-A", "E-A", "S-A")


def test_messages_name_the_tags_of_a_scheme():
    assert described("bio") == "O, B-type and I-type"
    assert described("plain") == "any"
