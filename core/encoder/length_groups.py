"""The rows of a batch by their length."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

import torch
from torch import Tensor

from polyhead.batch import sent

if TYPE_CHECKING:
    from polyhead.batch import Packing

__all__ = ["LengthGroups"]

_TOKENS_OF_A_GROUP: Final = 16


@dataclass(frozen=True)
class LengthGroups:
    """The rows of a batch by length.

    Attributes:
        sizes: Number of rows and their length, for each group.
        rows: The rows' numbers in the order of the groups.
        order: The tokens in the order of the groups, or None where they lie so already.
        inverse: Where each token went, or None.
        packing: Where each row lies.
    """

    sizes: tuple[tuple[int, int], ...]
    rows: tuple[int, ...]
    order: Tensor | None
    inverse: Tensor | None
    packing: Packing
    _beside: dict[tuple[int, ...], tuple[LengthGroups, LengthGroups]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    @classmethod
    def of(cls, packing: Packing, device: torch.device) -> LengthGroups:
        """The groups of the rows that `packing` describes."""
        rows = _grouped(packing.lengths, packing.n_tokens, device)
        return cls._by(packing.lengths, rows, packing, device)

    @classmethod
    def _by(
        cls, keys: Sequence[object], rows: list[int], packing: Packing, device: torch.device
    ) -> LengthGroups:
        """Groups of neighbours among `rows` with the same key; those of one key have one length."""
        sizes = []
        for _, group in groupby(rows, key=keys.__getitem__):
            members = list(group)
            sizes.append((len(members), packing.lengths[members[0]]))
        if rows == list(range(len(rows))) or len(sizes) == 1:
            return cls(tuple(sizes), tuple(rows), None, None, packing)
        order = packing.tokens_of(rows)
        inverse = torch.empty_like(order)
        inverse[order] = torch.arange(len(order))
        there = sent(order, device), sent(inverse, device)
        return cls(tuple(sizes), tuple(rows), *there, packing)

    def beside(self, prefixes: Packing, device: torch.device) -> tuple[LengthGroups, LengthGroups]:
        """Groups of rows that have one length and prefixes of one length.

        Args:
            prefixes: The length of each row's prefix.
            device: Where the tokens lie.

        Returns:
            The groups of the rows' tokens, and of their prefixes' in the same order of rows. They
            are worked out once for all layers.
        """
        found = self._beside.get(prefixes.lengths)
        if found is None:
            keys = tuple(zip(self.packing.lengths, prefixes.lengths, strict=True))
            rows = _grouped(keys, self.packing.n_tokens, device)
            own = self._by(keys, rows, self.packing, device)
            found = own, self._by(keys, rows, prefixes, device)
            self._beside[prefixes.lengths] = found
        return found

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


def _grouped(keys: Sequence[Any], n_tokens: int, device: torch.device) -> list[int]:
    """The rows in the order in which they are grouped: by key, or as they lie.

    On a CPU, rows stay where they are unless that makes many groups more: putting tokens into
    another order and back costs about as much as an attention of its own for every 16 of them.
    """
    as_they_lie = list(range(len(keys)))
    n_runs = sum(1 for _ in groupby(keys))
    if device.type == "cpu" and (n_runs - len(set(keys))) * _TOKENS_OF_A_GROUP <= n_tokens:
        return as_they_lie
    return sorted(as_they_lie, key=keys.__getitem__)
