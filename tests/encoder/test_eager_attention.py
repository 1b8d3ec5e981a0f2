"""Attention weights are kept as they were used, and come back to their places."""

import torch

from polyhead.batch import Packing
from polyhead.encoder.eager_attention import EagerAttention
from polyhead.encoder.length_groups import LengthGroups

PACKING = Packing((3, 1, 2, 3))


def attended(head_mask=None, dropout=0.0):
    kept = []
    groups = LengthGroups.of(PACKING, torch.device("cpu"))
    qkv_N3HW = torch.randn(9, 3, 2, 4, generator=torch.Generator().manual_seed(0))
    context_ND = EagerAttention(groups, head_mask, kept)(qkv_N3HW, dropout)
    [maps] = kept
    return qkv_N3HW, context_ND, maps


def test_the_weights_of_each_row_are_a_softmax():
    qkv_N3HW, context_ND, maps = attended()
    for number in range(PACKING.n_rows):
        query, key, value = qkv_N3HW[PACKING.tokens(number, number + 1)].permute(1, 2, 0, 3)
        weights_HTT = (query @ key.transpose(1, 2) / 2).softmax(dim=-1)
        torch.testing.assert_close(maps.of_row(number), weights_HTT)
        found = context_ND[PACKING.tokens(number, number + 1)]
        torch.testing.assert_close(found, (weights_HTT @ value).transpose(0, 1).flatten(1))


def test_a_head_mask_is_multiplied_with_the_weights():
    _, _, whole = attended()
    _, context_ND, masked = attended(torch.tensor([0.0, 2.0]))
    for plain, found in zip(whole.blocks, masked.blocks, strict=True):
        assert not found[:, 0].any()
        torch.testing.assert_close(found[:, 1], 2 * plain[:, 1])
    assert not context_ND[:, :4].any()


def test_dropped_weights_are_kept_as_dropped():
    torch.manual_seed(0)
    _, context_ND, maps = attended(dropout=1.0)
    assert not any(block.any() for block in maps.blocks)
    assert not context_ND.any()


def test_padded_weights_stand_in_the_columns_of_their_tokens():
    _, _, maps = attended()
    mask = torch.tensor([[1, 0, 1, 0, 0], [1, 1, 1, 0, 0], [0, 1, 1, 0, 1]]).bool()
    padded = maps.padded([2, 0, 3], mask)
    assert padded.shape == (3, 2, 5, 5)
    torch.testing.assert_close(padded[0][:, ::2, ::2][:, :2, :2], maps.of_row(2))
    torch.testing.assert_close(padded[1][:, :3, :3], maps.of_row(0))
    columns = torch.tensor([1, 2, 4])
    torch.testing.assert_close(padded[2][:, columns[:, None], columns], maps.of_row(3))
    both = mask[:, None, :, None] & mask[:, None, None, :]
    assert not padded[~both.expand_as(padded)].any()


def test_padded_weights_are_in_the_graph():
    kept = []
    groups = LengthGroups.of(PACKING, torch.device("cpu"))
    qkv_N3HW = torch.randn(9, 3, 2, 4, requires_grad=True)
    EagerAttention(groups, None, kept)(qkv_N3HW, 0.0)
    mask = torch.tensor([[1, 0, 1]]).bool()
    kept[0].padded([2], mask)[0, 0, 0, 0].backward()
    assert qkv_N3HW.grad[4:6, :2].any()
    assert not qkv_N3HW.grad[:4].any()
