"""A token gathers from its own row alone, and every way of computing that agrees."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from polyhead.batch import Packing
from polyhead.encoder import DistilBertConfig
from polyhead.encoder.attention import DenseAttention, SelfAttention
from polyhead.encoder.eager_attention import EagerAttention
from polyhead.encoder.length_groups import LengthGroups

CPU = torch.device("cpu")


def attends(packing):
    groups = LengthGroups.of(packing, CPU)
    return DenseAttention(groups), EagerAttention(groups)


@given(st.lists(st.integers(1, 6), min_size=2, max_size=8))
def test_a_row_sees_only_itself(lengths):
    generator = torch.Generator().manual_seed(0)
    attention = SelfAttention(DistilBertConfig(dim=8, n_heads=2)).eval()
    packing = Packing(tuple(lengths))
    tokens_ND = torch.randn(packing.n_tokens, 8, generator=generator)
    with torch.no_grad():
        for which, attend in enumerate(attends(packing)):
            together = attention(tokens_ND, attend)
            for number in range(packing.n_rows):
                alone = Packing(packing.lengths[number : number + 1])
                own = packing.tokens(number, number + 1)
                found = attention(tokens_ND[own], attends(alone)[which])
                torch.testing.assert_close(together[own], found, atol=1e-6, rtol=0)


@given(st.lists(st.integers(1, 6), max_size=8))
def test_dense_and_eager_attention_agree_on_values_and_gradients(lengths):
    generator = torch.Generator().manual_seed(0)
    packing = Packing(tuple(lengths))
    values = torch.randn(packing.n_tokens, 3, 2, 4, generator=generator)
    weights = torch.randn(packing.n_tokens, 8, generator=generator)
    found = []
    for attend in attends(packing):
        qkv_N3HW = values.clone().requires_grad_()
        context_ND = attend(qkv_N3HW, 0.0)
        assert context_ND.shape == (packing.n_tokens, 8)
        (context_ND * weights).sum().backward()
        found.append((context_ND.detach(), qkv_N3HW.grad))
    for dense, eager in zip(*found, strict=True):
        torch.testing.assert_close(dense, eager, atol=1e-5, rtol=0)


@pytest.mark.parametrize("which", [0, 1], ids=["dense", "eager"])
def test_dropout_keeps_the_mean_and_changes_the_values(which):
    attend = attends(Packing((5, 3, 5)))[which]
    torch.manual_seed(0)
    qkv_N3HW = torch.randn(13, 3, 2, 4)
    whole = attend(qkv_N3HW, 0.0)
    draws = torch.stack([attend(qkv_N3HW, 0.3) for _ in range(2000)])
    assert not torch.allclose(draws[0], whole)
    torch.testing.assert_close(draws.mean(dim=0), whole, atol=0.15, rtol=0)
