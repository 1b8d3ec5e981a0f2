"""Which tokens are left of a row of which only the first is read."""

import pytest

from polyhead.batch import Packing
from polyhead.contracts import LayerStep
from polyhead.encoder.row_ends import RowEnds


def test_of_rows_that_are_read_whole_all_tokens_stay():
    left, tokens = RowEnds(1, (True, False, True)).narrowed(Packing((3, 2, 4)), {})
    assert left.lengths == (1, 2, 1)
    assert tokens.tolist() == [0, 3, 4, 5]


def test_no_rows_are_no_error():
    left, tokens = RowEnds(0, ()).narrowed(Packing(()), {})
    assert left.lengths == ()
    assert tokens.tolist() == []


@pytest.mark.parametrize(
    ("first_only", "lengths"),
    [
        ((True, True, True), (1, 1)),
        ((True, True, False), (1, 2)),
        ((False, True, True), (3, 1)),
        ((True, False, True), (3, 1)),
    ],
)
def test_a_row_that_parts_later_keeps_what_any_part_needs(first_only, lengths):
    forks = {(1, LayerStep.FFN): (0, 0, 1)}
    left, _ = RowEnds(1, first_only).narrowed(Packing((3, 2)), forks)
    assert left.lengths == lengths


def test_rows_that_parted_before_are_those_of_now():
    forks = {(0, LayerStep.FFN): (0, 0), (1, LayerStep.START): (0, 1, 1)}
    left, tokens = RowEnds(1, (True, False, True)).narrowed(Packing((2, 2, 2)), forks)
    assert left.lengths == (1, 2, 1)
    assert tokens.tolist() == [0, 2, 3, 4]


def test_several_places_behind_the_attention_are_followed_back():
    forks = {(1, LayerStep.ATTENTION): (0, 1, 1), (1, LayerStep.FFN): (2, 0, 1, 1)}
    # leaving rows 0 to 3 come from 2, 0, 1, 1, and these from 1, 0, 1
    ends = RowEnds(1, (False, True, True, True))
    assert ends.narrowed(Packing((2, 3)), forks)[0].lengths == (1, 3)


def test_a_row_that_ends_on_the_way_needs_no_more_than_its_first_token():
    left, _ = RowEnds(0, (False,)).narrowed(Packing((2, 3)), {(0, LayerStep.FFN): (0,)})
    assert left.lengths == (2, 1)
