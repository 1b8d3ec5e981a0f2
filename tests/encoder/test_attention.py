"""A token gathers from its own row alone, and every way of computing that agrees."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from polyhead.batch import Packing
from polyhead.contracts import NO_TAPS, Prefixes
from polyhead.encoder import DistilBertConfig
from polyhead.encoder.attention import DenseAttention, SelfAttention
from polyhead.encoder.eager_attention import EagerAttention
from polyhead.encoder.length_groups import LengthGroups
from polyhead.encoder.passing_rows import NO_FORKS, PassingRows
from polyhead.encoder.varlen_attention import VarlenAttention

CPU = torch.device("cpu")


def attends(packing):
    groups = LengthGroups.of(packing, CPU)
    return DenseAttention(groups), EagerAttention(groups)


def rows_by(which, packing):
    """Rows whose attention is computed by one of these."""
    return PassingRows(packing, lambda packing: lambda _: attends(packing)[which], NO_FORKS)


@given(st.lists(st.integers(1, 6), min_size=2, max_size=8))
def test_a_row_sees_only_itself(lengths):
    generator = torch.Generator().manual_seed(0)
    attention = SelfAttention(DistilBertConfig(dim=8, n_heads=2)).eval()
    packing = Packing(tuple(lengths))
    tokens_ND = torch.randn(packing.n_tokens, 8, generator=generator)
    with torch.no_grad():
        for which in range(len(attends(packing))):
            together, _ = attention(tokens_ND, rows_by(which, packing), NO_TAPS)
            for number in range(packing.n_rows):
                alone = Packing(packing.lengths[number : number + 1])
                own = packing.tokens(number, number + 1)
                found, _ = attention(tokens_ND[own], rows_by(which, alone), NO_TAPS)
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


def spelled_out(qkv_N3HW, packing, prefixes):
    """Each row alone: its own keys and values behind those of its prefix."""
    contexts = []
    for row in range(packing.n_rows):
        own, front = packing.tokens(row, row + 1), prefixes.packing.tokens(row, row + 1)
        query, key, value = qkv_N3HW[own].unbind(1)
        key = torch.cat([prefixes.keys[front], key])
        value = torch.cat([prefixes.values[front], value])
        scores = torch.einsum("qhw,khw->hqk", query, key) / query.shape[-1] ** 0.5
        contexts.append(torch.einsum("hqk,khw->qhw", scores.softmax(-1), value).flatten(1))
    return torch.cat(contexts) if contexts else qkv_N3HW[:, 0].flatten(1)


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(0, 3)), max_size=7))
def test_prefixes_of_any_length_are_attended_to_besides(sizes):
    generator = torch.Generator().manual_seed(0)
    packing = Packing(tuple(length for length, _ in sizes))
    front = Packing(tuple(length for _, length in sizes))
    qkv_N3HW = torch.randn(packing.n_tokens, 3, 2, 4, generator=generator)
    keys, values = torch.randn(2, front.n_tokens, 2, 4, generator=generator).unbind()
    expected = spelled_out(qkv_N3HW, packing, Prefixes(front, keys, values))
    for attend in (*attends(packing), VarlenAttention(packing, by_rows).attended):
        for _ in range(2):  # the groups of these prefixes are worked out once
            own = keys.clone().requires_grad_()
            prefixes = Prefixes(front, own, values)
            if isinstance(attend, DenseAttention | EagerAttention):
                context_ND = attend(qkv_N3HW, 0.0, prefixes)
            else:
                context_ND = attend(qkv_N3HW, prefixes)
            torch.testing.assert_close(context_ND, expected, atol=1e-5, rtol=0)
            if front.n_tokens:
                context_ND.square().sum().backward()
                assert own.grad.abs().sum() > 0


def by_rows(query, key, value, starts, key_starts, longest, longest_key):  # noqa: PLR0917 - the kernel takes them so
    """What the varlen kernel computes, row by row."""
    assert longest == int(starts.diff().max())
    assert longest_key == int(key_starts.diff().max())
    parts = []
    for row in range(len(starts) - 1):
        own = slice(int(starts[row]), int(starts[row + 1]))
        seen = slice(int(key_starts[row]), int(key_starts[row + 1]))
        heads = (part.transpose(0, 1) for part in (query[own], key[seen], value[seen]))
        parts.append(torch.nn.functional.scaled_dot_product_attention(*heads).transpose(0, 1))
    return torch.cat(parts)


@pytest.mark.parametrize("which", [0, 1], ids=["dense", "eager"])
def test_dropout_keeps_the_mean_and_changes_the_values(which):
    attend = attends(Packing((5, 3, 5)))[which]
    torch.manual_seed(0)
    qkv_N3HW = torch.randn(13, 3, 2, 4)
    whole = attend(qkv_N3HW, 0.0)
    draws = torch.stack([attend(qkv_N3HW, 0.3) for _ in range(2000)])
    assert not torch.allclose(draws[0], whole)
    torch.testing.assert_close(draws.mean(dim=0), whole, atol=0.15, rtol=0)
