"""A text that several adapters read is one row until the first of them acts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyhead.batch import Row
from polyhead.contracts import LayerStep
from polyhead.routing import Entry, Plan

ENTRIES = {
    "first": Entry(0, LayerStep.START),
    "ffn": Entry(0, LayerStep.FFN),
    "same": Entry(0, LayerStep.FFN),
    "middle": Entry(1, LayerStep.ATTENTION),
    "high": Entry(3, LayerStep.OUTPUT),
    "idle": None,
}
ASKED = st.lists(
    st.tuples(st.integers(0, 4), st.sampled_from([None, *ENTRIES])), min_size=1, max_size=20
)


def plan_of(asked):
    rows = [Row((text,) * (1 + text)) for text, _ in asked]
    return Plan.of(rows, [adapter for _, adapter in asked], entry=ENTRIES.__getitem__)


def adapters_of(stage):
    return [part.adapter for part in stage.segments for _ in range(part.start, part.stop)]


@given(ASKED)
def test_every_row_goes_back_to_a_row_of_the_same_text(asked):
    plan = plan_of(asked)
    for before, stage in zip(plan.stages, plan.stages[1:], strict=False):
        for line, source in zip(stage.lines, stage.sources, strict=True):
            assert plan.rows[line].ids == plan.rows[before.lines[source]].ids


@given(ASKED)
def test_an_adapter_acts_on_its_rows_from_its_entry_on_and_never_before_on_others(asked):
    plan = plan_of(asked)
    for stage in plan.stages:
        for line, adapter in zip(stage.lines, adapters_of(stage), strict=True):
            own = plan.adapters[line]
            assert adapter in {own, None}
            if adapter is None and own is not None:
                assert ENTRIES[own] > stage.entry
    last = plan.stages[-1]
    assert last.lines == tuple(range(len(plan.rows)))
    assert adapters_of(last) == list(plan.adapters)


@given(ASKED)
def test_a_row_under_its_own_adapter_stays_so(asked):
    plan = plan_of(asked)
    for before, stage in zip(plan.stages, plan.stages[1:], strict=False):
        adapters_before = adapters_of(before)
        for source, adapter in zip(stage.sources, adapters_of(stage), strict=True):
            assert adapters_before[source] in {adapter, None}


@given(ASKED)
def test_no_text_has_more_rows_than_adapters_that_act(asked):
    plan = plan_of(asked)
    for stage in plan.stages:
        acting = [
            (plan.rows[line].ids, adapter)
            for line, adapter in zip(stage.lines, adapters_of(stage), strict=True)
            if plan.adapters[line] != "idle"
        ]
        assert len(acting) == len(set(acting))


@given(ASKED)
def test_segments_of_every_stage_lie_side_by_side_one_for_each_adapter(asked):
    for stage in plan_of(asked).stages:
        adapters = [part.adapter for part in stage.segments]
        assert len(adapters) == len(set(adapters))
        stops = [part.stop for part in stage.segments]
        assert [part.start for part in stage.segments] == [0, *stops[:-1]]
        assert stops[-1] == len(stage.lines)


@pytest.mark.parametrize(
    ("adapters", "n_rows"),
    [
        (["ffn", "same"], [1, 2]),
        (["ffn", "middle", "high"], [1, 2, 3, 3]),  # the last to act is the stem itself
        (["ffn", "middle", "high", None], [1, 2, 3, 4]),
        (["first", "ffn", None], [2, 3]),
        (["first", "ffn"], [2]),
        (["ffn", "idle"], [2]),
        ([None, None], [1]),
    ],
)
def test_the_rows_of_one_text_grow_from_stage_to_stage(adapters, n_rows):
    plan = plan_of([(1, adapter) for adapter in adapters])
    assert [len(stage.lines) for stage in plan.stages] == n_rows


def test_nothing_is_asked_of_adapters_whose_texts_nobody_else_reads():
    def never(adapter):
        raise AssertionError(adapter)

    plan = Plan.of([Row((1,)), Row((2,))], ["a", "b"], entry=never)
    assert len(plan.stages) == 1


def test_adapters_of_one_sort_lie_side_by_side():
    rows = [Row((number,)) for number in range(5)]
    adapters = ["a1", "b1", None, "a2", "b2"]
    plan = Plan.of(rows, adapters, sort=lambda adapter: adapter[0])
    assert [part.adapter for part in plan.segments] == [None, "a1", "a2", "b1", "b2"]
