"""A plan computes each distinct row once, sorted, and knows where every asked row lies."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from polyhead.batch import Row
from polyhead.routing import Plan, Segment

IDS = st.lists(st.integers(0, 2), min_size=1, max_size=4).map(tuple)
ROWS = st.one_of(
    st.builds(Row, IDS),
    st.builds(
        lambda ids, shift: Row(ids, tuple(range(shift, shift + len(ids)))), IDS, IDS.map(len)
    ),
)
ASKED = st.lists(st.tuples(ROWS, st.sampled_from([None, "a", "b", "c"])), max_size=16)


def plan_of(asked):
    return Plan.of([row for row, _ in asked], [adapter for _, adapter in asked])


def adapter_at(plan, place):
    return next(s.adapter for s in plan.segments if s.start <= place < s.stop)


@given(ASKED)
def test_every_asked_row_lies_where_the_plan_says_under_its_adapter(asked):
    plan = plan_of(asked)
    assert len(plan.place) == len(asked)
    for (row, adapter), place in zip(asked, plan.place, strict=True):
        assert plan.rows[place].ids == row.ids
        assert plan.rows[place].positions == row.positions
        assert adapter_at(plan, place) == adapter


@given(ASKED)
def test_segments_are_contiguous_and_cover_all_rows(asked):
    plan = plan_of(asked)
    stops = [segment.stop for segment in plan.segments]
    assert [segment.start for segment in plan.segments] == [0, *stops[:-1]][: len(stops)]
    assert (stops[-1] if stops else 0) == len(plan.rows)
    assert all(segment.start < segment.stop for segment in plan.segments)


@given(ASKED)
def test_each_adapter_owns_one_segment(asked):
    adapters = [segment.adapter for segment in plan_of(asked).segments]
    assert len(adapters) == len(set(adapters))
    assert set(adapters) == {adapter for _, adapter in asked}


@given(ASKED)
def test_rows_are_not_shared_unless_they_may_be(asked):
    rows, adapters = [row for row, _ in asked], [adapter for _, adapter in asked]
    plan = Plan.of(rows, adapters, share_rows=False)
    assert sorted(plan.place) == list(range(len(asked)))
    for row, adapter, place in zip(rows, adapters, plan.place, strict=True):
        assert plan.rows[place] is row
        assert adapter_at(plan, place) == adapter


@given(ASKED)
def test_a_row_is_computed_once_for_each_adapter(asked):
    plan = plan_of(asked)
    distinct = {(row.ids, row.positions, adapter) for row, adapter in asked}
    assert len(plan.rows) == len(distinct)
    assert set(plan.place) == set(range(len(plan.rows)))


@given(ASKED)
def test_rows_of_a_segment_are_sorted_by_length(asked):
    plan = plan_of(asked)
    for segment in plan.segments:
        lengths = plan.packing.lengths[segment.start : segment.stop]
        assert list(lengths) == sorted(lengths)
    assert plan.packing.lengths == tuple(len(row) for row in plan.rows)


@given(ASKED)
def test_each_distinct_row_has_its_adapter(asked):
    plan = plan_of(asked)
    assert list(plan.adapters) == [adapter_at(plan, place) for place in range(len(plan.rows))]


@given(ASKED, st.randoms())
def test_a_part_of_a_plan_computes_those_rows_alone(asked, chance):
    plan = plan_of(asked)
    places = [place for place in range(len(plan.rows)) if chance.random() < 0.5]
    part = plan.only(places)
    assert part.rows == tuple(plan.rows[place] for place in places)
    assert part.adapters == tuple(plan.adapters[place] for place in places)
    assert part.packing.lengths == tuple(len(row) for row in part.rows)
    assert part.place == tuple(range(len(places)))
    assert all(segment.start < segment.stop for segment in part.segments)


def test_rows_that_differ_in_offsets_alone_are_one():
    rows = [Row((1, 2), offsets=((0, 0), (0, 3))), Row((1, 2), n_dropped=4)]
    plan = Plan.of(rows, [None, None])
    assert plan.place == (0, 0)


def test_the_packed_tokens_are_those_of_the_rows():
    plan = Plan.of([Row((5, 6, 7)), Row((8,), positions=(3,)), Row((9,))], ["a", "b", "a"])
    assert plan.segments == (Segment("a", 0, 2), Segment("b", 2, 3))
    packed = plan.packed(torch.device("cpu"))
    assert packed.ids.tolist() == [9, 5, 6, 7, 8]
    assert packed.positions.tolist() == [0, 0, 1, 2, 3]
    assert packed.packing.lengths == (1, 3, 1)


def test_rows_without_their_adapters_are_refused():
    with pytest.raises(ValueError, match="zip"):
        Plan.of([Row((1,)), Row((2,))], ["a"])
