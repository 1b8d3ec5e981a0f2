"""Attention spelled out, for those who ask for its weights or mask heads.

Dimensions: B rows of one length, H heads, T tokens of a row, K keys of a row (its prefix's and its
own), W width of a head, D = H * W, N tokens, R rows of a padded batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from polyhead.encoder.attention_blocks import attention_blocks
from polyhead.encoder.length_groups import LengthGroups

if TYPE_CHECKING:
    from polyhead.batch import Packing
    from polyhead.contracts import Prefixes

__all__ = ["AttentionMaps", "EagerAttention"]


@dataclass(frozen=True)
class AttentionMaps:
    """The attention weights of one layer: how much each token (row) takes from each other (column).

    Attributes:
        groups: The rows of the batch by length.
        blocks: The weights of each group's rows, each (B, H, T, T); at least one.
    """

    groups: LengthGroups
    blocks: tuple[Tensor, ...]

    def of_row(self, row: int) -> Tensor:
        """The weights of the batch's row of that number. Shape: (H, T, T)."""
        return self._by_row()[row]

    def padded(self, rows: Sequence[int], mask: Tensor) -> Tensor:
        """The weights of a padded batch, 0 wherever a place is masked.

        Args:
            rows: For each row of the padded batch, its number in this one.
            mask: Which places hold a token. Shape: (R, P), bool.

        Returns:
            Shape: (R, H, P, P).
        """
        by_row = self._by_row()
        n_rows, length = mask.shape
        first = self.blocks[0]
        padded = first.new_zeros(n_rows, first.shape[1], length, length)
        for number, row in enumerate(rows):
            places = mask[number].nonzero().squeeze(1)
            padded[number, :, places.unsqueeze(1), places] = by_row[row]
        return padded

    def of_tokens(self, tokens: Tensor, packing: Packing) -> AttentionMaps:
        """The weights among some of the tokens of each row.

        Args:
            tokens: Those of all rows, row after row, by their places in this batch. Shape: (N,).
            packing: How many of them each row has.
        """
        by_row = self._by_row()
        groups = LengthGroups.of(packing, tokens.device)
        kept = {}
        for row, weights_HTT in by_row.items():
            own = tokens[packing.tokens(row, row + 1)] - self.groups.packing.starts[row]
            kept[row] = weights_HTT[:, own.unsqueeze(1), own]
        rows = iter(groups.rows)
        blocks = [torch.stack([kept[next(rows)] for _ in range(n)]) for n, _ in groups.sizes]
        return AttentionMaps(groups, tuple(blocks) or self.blocks)

    def _by_row(self) -> dict[int, Tensor]:
        maps = (weights for block in self.blocks for weights in block.unbind())
        return dict(zip(self.groups.rows, maps, strict=True))


@dataclass(frozen=True)
class EagerAttention:
    """Softmax, dropout, head mask and sum, one after the other.

    Attributes:
        groups: The rows of the batch by length.
        head_mask: What each head's weights are multiplied with, or None. Shape: (H,).
        kept: Where each call appends its weights, or None.
    """

    groups: LengthGroups
    head_mask: Tensor | None = None
    kept: list[AttentionMaps] | None = None

    def __call__(self, qkv: Tensor, dropout: float, prefixes: Prefixes | None = None) -> Tensor:
        """See `Attend`. What is kept are the weights of the rows' own tokens, not of prefixes."""
        groups, blocks = attention_blocks(self.groups, qkv, prefixes)
        # without rows, nothing of the right shape
        weights = [] if blocks else [qkv.new_zeros(0, qkv.shape[2], 0, 0)]
        contexts = []
        for query, key, value in blocks:
            weights_BHTK = self._weights(query, key, dropout)
            context_BHTW = weights_BHTK @ value
            weights.append(weights_BHTK[..., key.shape[2] - query.shape[2] :])
            contexts.append(context_BHTW.transpose(1, 2).flatten(2).flatten(0, 1))
        if self.kept is not None:
            self.kept.append(AttentionMaps(groups, tuple(weights)))
        return groups.joined(contexts or [qkv[:, 0].flatten(1)])

    def _weights(self, query: Tensor, key: Tensor, dropout: float) -> Tensor:
        scores_BHTK = (query @ key.transpose(2, 3)) * query.shape[-1] ** -0.5
        weights_BHTK = functional.dropout(torch.softmax(scores_BHTK, dim=-1), dropout)
        if self.head_mask is None:
            return weights_BHTK
        return weights_BHTK * self.head_mask.view(-1, 1, 1)
