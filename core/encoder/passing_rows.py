"""The rows that a pass computes at each moment, and how they part on the way."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from polyhead.batch import sent
from polyhead.contracts import LayerStep

if TYPE_CHECKING:
    from torch import Tensor

    from polyhead.batch import Packing
    from polyhead.encoder.attention import Attend
    from polyhead.encoder.row_ends import RowEnds

__all__ = ["NO_FORKS", "Forks", "PassingRows"]

Forks = Mapping[tuple[int, LayerStep], Sequence[int]]
"""Where rows part: at a step of a layer, for each row behind it the one that it goes on from."""

NO_FORKS: Final[Forks] = MappingProxyType({})


class PassingRows:
    """Those of one pass through the encoder.

    Attributes:
        packing: Where each row lies now.
        attend: How their attention is computed.
        kept: The hidden states that were kept of the layers so far, of the rows of now.
        layer: The layer that is computed now.
    """

    def __init__(
        self,
        packing: Packing,
        attend_of: Callable[[Packing], Callable[[int], Attend]],
        forks: Forks,
        ends: RowEnds | None = None,
    ) -> None:
        """Starts with the rows that enter.

        Args:
            packing: Of these.
            attend_of: How the attention of some rows is computed, in each layer.
            forks: Where they part.
            ends: Of which tokens nothing is read behind the last attention; all are when None.
        """
        self.packing = packing
        self.kept: list[Tensor] = []
        self._attend_of = attend_of
        self._attends = attend_of(packing)
        self._forks = forks
        self._ends = ends
        self.layer = 0

    @property
    def attend(self) -> Attend:
        """See the class."""
        return self._attends(self.layer)

    def keep(self, hidden: Tensor) -> None:
        """Keeps what a layer computed. Shape: (N, D)."""
        self.kept.append(hidden)

    def enter(self, layer: int) -> None:
        """Tells which layer is computed from now on."""
        self.layer = layer

    def parts_at(self, step: LayerStep) -> bool:
        """Whether rows part before a step of the layer."""
        return (self.layer, step) in self._forks

    def reach(self, step: LayerStep, *values: Tensor) -> tuple[Tensor, ...]:
        """Lets rows part that do so before a step of the layer.

        Args:
            step: The step.
            values: What is computed of the tokens so far. Shape: (N, ...) each.

        Returns:
            The same of the rows from here on: `values` themselves where none part.
        """
        sources = self._forks.get((self.layer, step))
        if sources is None:
            return values
        tokens = sent(self.packing.tokens_of(sources), values[0].device)
        self.packing = self.packing.picked(sources)
        self._attends = self._attend_of(self.packing)
        self.kept = [layer.index_select(0, tokens) for layer in self.kept]
        return tuple(value.index_select(0, tokens) for value in values)

    def narrow(self, context: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """See `Rows`."""
        if self._ends is None or self.layer != self._ends.layer:
            return context, hidden
        self.packing, tokens = self._ends.narrowed(self.packing, self._forks)
        places = sent(tokens, hidden.device)
        return context.index_select(0, places), hidden.index_select(0, places)
