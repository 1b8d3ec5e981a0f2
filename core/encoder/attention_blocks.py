"""Queries, keys and values of the rows of one length, as dense blocks.

Dimensions: B rows of one length, H heads, T tokens of a row, P tokens of its prefix, W width of a
head, N tokens of all rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

if TYPE_CHECKING:
    from polyhead.contracts import Prefixes
    from polyhead.encoder.length_groups import LengthGroups

__all__ = ["AttentionBlock", "attention_blocks"]


class AttentionBlock(NamedTuple):
    """What attention reads of rows of one length.

    Attributes:
        query: Shape: (B, H, T, W).
        key: Shape: (B, H, P + T, W), P being 0 where there is no prefix.
        value: Likewise.
    """

    query: Tensor
    key: Tensor
    value: Tensor


def attention_blocks(
    groups: LengthGroups, qkv: Tensor, prefixes: Prefixes | None
) -> tuple[LengthGroups, list[AttentionBlock]]:
    """A block for each group of rows, and the groups by which results are put together again.

    Args:
        groups: The rows by length.
        qkv: Of all tokens. Shape: (N, 3, H, W).
        prefixes: Keys and values in front of each row's own, or None.
    """
    if prefixes is None:
        # unbind, not indexing: its backward is one stack and not three full tensors of zeros
        return groups, [_block(*part.unbind(2)) for part in groups.blocks(qkv)]
    own, front = groups.beside(prefixes.packing, qkv.device)
    blocks = []
    parts = own.blocks(qkv), front.blocks(prefixes.keys), front.blocks(prefixes.values)
    for part, keys, values in zip(*parts, strict=True):
        query, key, value = part.unbind(2)
        if keys.shape[1]:
            key, value = torch.cat([keys, key], 1), torch.cat([values, value], 1)
        blocks.append(_block(query, key, value))
    return own, blocks


def _block(query: Tensor, key: Tensor, value: Tensor) -> AttentionBlock:
    return AttentionBlock(query.transpose(1, 2), key.transpose(1, 2), value.transpose(1, 2))
