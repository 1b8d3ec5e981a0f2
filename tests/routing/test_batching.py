"""Work is cut into batches of similar sizes under a budget, and nothing is lost."""

from itertools import groupby, pairwise

from hypothesis import given
from hypothesis import strategies as st

from polyhead.routing import token_batches

SIZES = st.lists(st.integers(0, 30), max_size=40)


@given(SIZES, st.integers(1, 40))
def test_every_item_is_in_one_batch(sizes, budget):
    batches = list(token_batches(sizes, budget))
    assert sorted(place for batch in batches for place in batch) == list(range(len(sizes)))
    assert all(batches)


@given(SIZES, st.integers(1, 40))
def test_a_batch_keeps_to_the_budget_or_holds_one_item(sizes, budget):
    for batch in token_batches(sizes, budget):
        assert len(batch) == 1 or sum(sizes[place] for place in batch) <= budget


@given(SIZES, st.integers(1, 40))
def test_a_batch_is_as_full_as_its_order_allows(sizes, budget):
    batches = list(token_batches(sizes, budget))
    for batch, behind in pairwise(batches):
        assert sum(sizes[place] for place in batch) + sizes[behind[0]] > budget


@given(SIZES)
def test_similar_sizes_come_together_the_largest_first(sizes):
    order = [sizes[place] for batch in token_batches(sizes, 10) for place in batch]
    assert order == sorted(sizes, reverse=True)


GROUPED = st.lists(st.tuples(st.integers(0, 30), st.sampled_from("abcd")), max_size=40)


@given(GROUPED, st.integers(1, 40))
def test_groups_lie_behind_one_another_by_their_largest(items, budget):
    sizes, groups = [size for size, _ in items], [group for _, group in items]
    batches = token_batches(sizes, budget, groups)
    order = [place for batch in batches for place in batch]
    assert sorted(order) == list(range(len(items)))
    runs = [
        (key, [sizes[place] for place in run]) for key, run in groupby(order, groups.__getitem__)
    ]
    assert len(runs) == len(set(groups))
    assert all(run == sorted(run, reverse=True) for _, run in runs)
    assert [run[0] for _, run in runs] == sorted((run[0] for _, run in runs), reverse=True)
    for batch, behind in pairwise(batches):
        assert sum(sizes[place] for place in batch) + sizes[behind[0]] > budget
