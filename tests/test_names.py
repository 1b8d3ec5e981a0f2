import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyhead.errors import InvalidNameError
from polyhead.names import check_name, is_name


@pytest.mark.parametrize(
    "name", ["a", "0", "sst2", "Legal-2024_v1", "train", "keys", "type", "half", "x" * 64]
)
def test_letters_digits_dashes_and_underscores_make_a_name(name):
    assert is_name(name)
    assert check_name(name, "adapter") is name


@pytest.mark.parametrize(
    "name",
    [
        *("", "-a", "_a", "a.b", "a/b", "a\\b", "a b", " a", "a\n", "a,b", "..", "é", "\u0661"),
        *("x" * 65, None, 3, b"a", ["a"]),
    ],
)
def test_anything_else_is_no_name(name):
    assert not is_name(name)
    with pytest.raises(InvalidNameError, match="use 1 to 64 of the letters"):
        check_name(name, "head")


def test_the_message_names_what_was_to_be_named():
    with pytest.raises(InvalidNameError, match="'a b' cannot name an adapter:"):
        check_name("a b", "adapter")
    with pytest.raises(InvalidNameError, match="'a b' cannot name a task:"):
        check_name("a b", "task")


def test_a_long_name_is_cut_short_in_the_message():
    with pytest.raises(InvalidNameError) as caught:
        check_name("x" * 10_000, "task")
    assert len(str(caught.value)) < 250


@given(st.text(max_size=8))
def test_a_name_is_one_path_segment(name):
    if is_name(name):
        assert name.isascii()
        assert not set(name) & set("/\\.: \t\n")
