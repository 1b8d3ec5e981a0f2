"""Rows are grouped by length, and every token comes back to its place."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from polyhead.batch import Packing
from polyhead.encoder import DistilBertConfig
from polyhead.encoder.attention import DenseAttention, SelfAttention
from polyhead.encoder.length_groups import LengthGroups

CPU = torch.device("cpu")


@given(st.lists(st.integers(1, 6), max_size=12))
def test_groups_hold_every_token_once(lengths):
    packing = Packing(tuple(lengths))
    groups = LengthGroups.of(packing, CPU)
    assert sum(rows * length for rows, length in groups.sizes) == packing.n_tokens
    assert [length for _, length in groups.sizes] == sorted(set(lengths))
    tokens = torch.arange(packing.n_tokens)
    if groups.order is None:
        assert len(set(lengths)) < 2 or lengths == sorted(lengths)
    else:
        assert torch.equal(tokens[groups.order][groups.inverse], tokens)


@given(st.lists(st.integers(1, 6), min_size=2, max_size=8))
def test_a_row_sees_only_itself(lengths):
    generator = torch.Generator().manual_seed(0)
    attention = SelfAttention(DistilBertConfig(dim=8, n_heads=2)).eval()
    packing = Packing(tuple(lengths))
    tokens_ND = torch.randn(packing.n_tokens, 8, generator=generator)
    with torch.no_grad():
        together = attention(tokens_ND, DenseAttention(LengthGroups.of(packing, CPU)))
        for number in range(packing.n_rows):
            alone = Packing(packing.lengths[number : number + 1])
            own = packing.tokens(number, number + 1)
            found = attention(tokens_ND[own], DenseAttention(LengthGroups.of(alone, CPU)))
            torch.testing.assert_close(together[own], found, atol=1e-6, rtol=0)
