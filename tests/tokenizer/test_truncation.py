import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyhead.errors import InputError
from polyhead.tokenizer import TextSettings
from polyhead.tokenizer.truncation import kept_lengths

counts = st.integers(1, 60)


def settled(max_length, truncation="longest_first"):
    return TextSettings(max_length=max_length, truncation=truncation)


@given(counts, st.none() | counts, st.integers(5, 40))
def test_what_is_kept_fits_and_no_text_is_lost(n_first, n_second, max_length):
    first, second = kept_lengths(settled(max_length), n_first, n_second, "")
    n_special = 2 if n_second is None else 3
    assert first + second <= max_length - n_special
    assert 0 < first <= n_first
    assert (second == 0) if n_second is None else (0 < second <= n_second)
    # nothing is cut that would fit
    if first < n_first or second < (n_second or 0):
        assert first + second == max_length - n_special


@given(counts, counts, st.integers(5, 40))
def test_the_longer_text_gives_way_first(n_first, n_second, max_length):
    first, second = kept_lengths(settled(max_length), n_first, n_second, "")
    if first < n_first and second < n_second:
        assert abs(first - second) <= 1


def test_only_the_text_that_is_named_is_cut():
    assert kept_lengths(settled(10, "only_first"), 9, 3, "") == (4, 3)
    assert kept_lengths(settled(10, "only_second"), 3, 9, "") == (3, 4)


@pytest.mark.parametrize(
    ("truncation", "lengths", "part"),
    [
        ("only_first", (3, 9), "more than its first text has"),
        ("only_second", (9, 3), "more than its second text has"),
        ("refuse", (9, None), "the text 'abc' has 9 tokens and 8 fit"),
    ],
)
def test_what_cannot_fit_is_refused(truncation, lengths, part):
    with pytest.raises(InputError, match=part):
        kept_lengths(settled(10, truncation), *lengths, "abc")


def test_a_pair_needs_five_places():
    with pytest.raises(InputError, match="no room for a pair of texts; the least is 5"):
        kept_lengths(settled(4), 1, 1, "")
