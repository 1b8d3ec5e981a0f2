"""Self-attention over packed rows.

Rows of equal length form one dense (rows, heads, length, width) block, so that no score of a
padding token is ever computed: torch's `scaled_dot_product_attention` runs once a length.

Dimensions: B rows of one length, H heads, T tokens of a row, W width of a head, D = H * W,
E = 3 * D, N tokens.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

if TYPE_CHECKING:
    from polyhead.batch import Packing
    from polyhead.encoder.config import DistilBertConfig

__all__ = ["LengthGroups", "SelfAttention"]


@dataclass(frozen=True)
class LengthGroups:
    """The rows of a batch by length.

    Attributes:
        sizes: Number of rows and their length, for each length.
        order: The tokens sorted by their row's length, or None where they lie so already.
        inverse: Where each token went, or None.
    """

    sizes: tuple[tuple[int, int], ...]
    order: Tensor | None
    inverse: Tensor | None

    @classmethod
    def of(cls, packing: Packing, device: torch.device) -> LengthGroups:
        """The groups of the rows that `packing` describes."""
        lengths = packing.lengths
        rows = sorted(range(len(lengths)), key=lengths.__getitem__)
        sizes = tuple(
            (len(list(group)), length) for length, group in groupby(lengths[row] for row in rows)
        )
        if rows == list(range(len(lengths))) or len(sizes) == 1:
            return cls(sizes, None, None)
        order = torch.cat([torch.arange(packing.starts[r], packing.starts[r + 1]) for r in rows])
        inverse = torch.empty_like(order)
        inverse[order] = torch.arange(len(order))
        return cls(sizes, order.to(device), inverse.to(device))


class SelfAttention(nn.Module):
    """Multi-head self-attention with queries, keys and values from one matrix."""

    def __init__(self, config: DistilBertConfig) -> None:
        super().__init__()
        self.n_heads = config.n_heads
        self.qkv = nn.Linear(config.dim, 3 * config.dim)
        self.out = nn.Linear(config.dim, config.dim)

    def forward(self, hidden: Tensor, groups: LengthGroups) -> Tensor:
        """What every token gathers from its own row. Shape: (N, D) -> (N, D)."""
        qkv: Tensor = self.qkv(hidden)
        if groups.order is not None:
            qkv = qkv.index_select(0, groups.order)
        context = self._context(qkv, groups)
        if groups.inverse is not None:
            context = context.index_select(0, groups.inverse)
        output: Tensor = self.out(context)
        return output

    def _context(self, qkv_NE: Tensor, groups: LengthGroups) -> Tensor:
        blocks = torch.split(qkv_NE, [n_rows * length for n_rows, length in groups.sizes])
        parts = [
            self._attend(block, n_rows, length)
            for block, (n_rows, length) in zip(blocks, groups.sizes, strict=True)
        ]
        if not parts:
            return qkv_NE.new_empty(0, qkv_NE.shape[1] // 3)
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def _attend(self, block: Tensor, n_rows: int, length: int) -> Tensor:
        # unbind, not indexing: its backward is one stack and not three full tensors of zeros
        query, key, value = block.view(n_rows, length, 3, self.n_heads, -1).unbind(2)
        context_BHTW = functional.scaled_dot_product_attention(
            query.transpose(1, 2), key.transpose(1, 2), value.transpose(1, 2)
        )
        return context_BHTW.transpose(1, 2).reshape(n_rows * length, -1)
