"""Tokens that nothing reads behind the last layer's attention, and so need not be computed there.

A head that reads each row's first token alone, as BERT's classifier does, needs keys and values of
all tokens, but what follows of the layer, most of its work, for the first alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from polyhead.batch import Packing
from polyhead.contracts import LayerStep

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["RowEnds"]


@dataclass(frozen=True)
class RowEnds:
    """How each row ends that leaves the encoder.

    Attributes:
        layer: The last one that is computed, counted from 0.
        first_only: For each row that leaves whether nothing but its first token is read.
    """

    layer: int
    first_only: tuple[bool, ...]

    def narrowed(
        self, packing: Packing, forks: Mapping[tuple[int, LayerStep], Sequence[int]]
    ) -> tuple[Packing, Tensor]:
        """The rows without the tokens that nothing reads.

        Args:
            packing: Of the rows in the attention of the layer.
            forks: Where rows part; behind that attention too, perhaps.

        Returns:
            Where each row lies among the tokens that are left, and which these are. Shape: (M,),
            int64, on the CPU.
        """
        shorter = self._before(forks, packing.n_rows)
        lengths = zip(shorter, packing.lengths, strict=True)
        left = Packing(
            tuple(1 if first_only else length for first_only, length in lengths),
            packing.whole_lengths,
        )
        return left, left.places(packing.starts[:-1])

    def _before(
        self, forks: Mapping[tuple[int, LayerStep], Sequence[int]], n_rows: int
    ) -> Sequence[bool]:
        """The same of the rows in the layer's attention: a row that parts must do for all."""
        shorter: Sequence[bool] = self.first_only
        ahead = [place for place in forks if place > (self.layer, LayerStep.START)]
        for place in sorted(ahead, reverse=True):
            sources = forks[place]
            needed = {
                source
                for source, first_only in zip(sources, shorter, strict=True)
                if not first_only
            }
            shorter = [row not in needed for row in range(max(sources, default=-1) + 1)]
        return [*shorter, *[True] * (n_rows - len(shorter))]
