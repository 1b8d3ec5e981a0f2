"""Windows over sub-words: every one is covered, and neighbours share some."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from polyhead.tokenizer.pieces import Pieces, joined


@given(st.integers(1, 200), st.integers(1, 40), st.integers(0, 60))
def test_windows_cover_every_sub_word_within_their_room(n_pieces, room, overlap):
    windows = list(Pieces(list(range(n_pieces))).windows(room, overlap))
    assert {place for start, stop in windows for place in range(start, stop)} == set(
        range(n_pieces)
    )
    assert all(0 < stop - start <= room for start, stop in windows)


@given(st.integers(1, 200), st.integers(2, 40), st.integers(0, 60))
def test_neighbours_share_what_was_asked_for_but_at_most_half(n_pieces, room, overlap):
    windows = list(Pieces(list(range(n_pieces))).windows(room, overlap))
    for (_, stop), (start, _) in pairwise(windows):
        assert stop - start == min(overlap, room // 2)


def test_a_text_that_fits_is_one_window():
    assert list(Pieces([1, 2, 3]).windows(3, 1)) == [(0, 3)]


def test_words_are_joined_by_a_space_and_a_text_is_left_alone():
    assert joined(["a", "", "b"]) == "a  b"
    assert joined("a  b") == "a  b"
