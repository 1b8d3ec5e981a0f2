"""The rows of a batch by their length."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from polyhead.batch import Packing

__all__ = ["LengthGroups"]


@dataclass(frozen=True)
class LengthGroups:
    """The rows of a batch by length.

    Attributes:
        sizes: Number of rows and their length, for each length.
        rows: The rows' numbers in the order of the groups.
        order: The tokens sorted by their row's length, or None where they lie so already.
        inverse: Where each token went, or None.
    """

    sizes: tuple[tuple[int, int], ...]
    rows: tuple[int, ...]
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
            return cls(sizes, tuple(rows), None, None)
        order = torch.cat([torch.arange(packing.starts[r], packing.starts[r + 1]) for r in rows])
        inverse = torch.empty_like(order)
        inverse[order] = torch.arange(len(order))
        return cls(sizes, tuple(rows), order.to(device), inverse.to(device))

    def blocks(self, values: Tensor) -> list[Tensor]:
        """Each group's tokens, row by row. Shape: (N, ...) -> (rows, length, ...) of each group."""
        if self.order is not None:
            values = values.index_select(0, self.order)
        parts = torch.split(values, [n_rows * length for n_rows, length in self.sizes])
        return [
            part.view(*size, *part.shape[1:]) for part, size in zip(parts, self.sizes, strict=True)
        ]

    def joined(self, blocks: list[Tensor]) -> Tensor:
        """The groups' tokens back in the batch's order, the inverse of `blocks`.

        Shape: (rows * length, ...) of each group -> (N, ...).
        """
        values = blocks[0] if len(blocks) == 1 else torch.cat(blocks)
        return values if self.inverse is None else values.index_select(0, self.inverse)
