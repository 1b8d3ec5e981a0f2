"""Rows are grouped by length, and every token comes back to its place."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from polyhead.batch import Packing
from polyhead.encoder.length_groups import LengthGroups

CPU = torch.device("cpu")


@given(st.lists(st.integers(1, 6), max_size=12))
def test_groups_hold_every_token_once(lengths):
    packing = Packing(tuple(lengths))
    groups = LengthGroups.of(packing, CPU)
    assert sum(rows * length for rows, length in groups.sizes) == packing.n_tokens
    assert sorted(groups.rows) == list(range(len(lengths)))
    tokens = torch.arange(packing.n_tokens)
    if groups.order is None:
        assert groups.rows == tuple(range(len(lengths)))
    else:
        assert [length for _, length in groups.sizes] == sorted(set(lengths))
        assert torch.equal(tokens[groups.order][groups.inverse], tokens)


def test_rows_are_put_into_another_order_only_where_that_saves_many_groups():
    mixed = Packing((3, 1) * 40)
    assert LengthGroups.of(mixed, CPU).sizes == ((40, 1), (40, 3))
    long = Packing((40, 30) * 40)
    assert LengthGroups.of(long, CPU).order is None
    assert LengthGroups.of(long, torch.device("meta")).sizes == ((40, 30), (40, 40))


@given(st.lists(st.integers(1, 6), min_size=1, max_size=8))
def test_blocks_are_rows_of_one_length_and_join_again(lengths):
    packing = Packing(tuple(lengths))
    groups = LengthGroups.of(packing, CPU)
    tokens_N2 = torch.arange(2.0 * packing.n_tokens).view(-1, 2)
    blocks = groups.blocks(tokens_N2)
    rows = iter(groups.rows)
    for block in blocks:
        for row_T2 in block:
            number = next(rows)
            assert torch.equal(row_T2, tokens_N2[packing.tokens(number, number + 1)])
    assert torch.equal(groups.joined([block.flatten(0, 1) for block in blocks]), tokens_N2)
