"""The taps of a batch: every adapter's own, each on its own slice of the packed tokens."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from polyhead.contracts import NO_TAPS, PROJECTIONS, EmbeddingsTap, LayerTaps
from polyhead.routing.segmented import (
    SegmentedEmbeddings,
    SegmentedPrefix,
    SegmentedProjection,
    SegmentedSublayer,
    SegmentedTokens,
)

if TYPE_CHECKING:
    from torch import Tensor

    from polyhead.batch import Packing
    from polyhead.composition import Acting, AdapterSetup
    from polyhead.routing.plan import Plan, Segment

__all__ = ["Route"]


@dataclass(frozen=True)
class Route:
    """What acts where in one batch; called by the encoder with a layer's number.

    Attributes:
        plan: The batch's rows and segments.
        acting: What acts on the rows of each setup that the segments name.
    """

    plan: Plan
    acting: Mapping[AdapterSetup, Acting]

    def __call__(self, layer: int) -> LayerTaps:
        """The taps of `layer` for the whole batch."""
        taps = [self._taps(segment, layer) for segment in self.plan.segments]
        if all(tap is NO_TAPS for tap in taps):
            return NO_TAPS
        if len(taps) == 1:
            return taps[0]
        sites = {}
        for site, join in _JOINS.items():
            found = tuple(getattr(tap, site) for tap in taps)
            if any(tap is not None for tap in found):
                sites[site] = join(self.plan.segments, found)
        return LayerTaps(**sites)

    @cached_property
    def embeddings(self) -> EmbeddingsTap | None:
        """What acts between the embeddings and the first layer."""
        taps = tuple(
            None if found is None else found.embeddings_tap()
            for found in map(self._acting, self.plan.segments)
        )
        if all(tap is None for tap in taps):
            return None
        return taps[0] if len(taps) == 1 else SegmentedEmbeddings(self.plan.segments, taps)

    @cached_property
    def inverses(self) -> tuple[Callable[[Tensor, Packing], Tensor] | None, ...] | None:
        """For each row what maps back what its adapter made of the embeddings, or None.

        None where no adapter does.
        """
        found: list[Callable[[Tensor, Packing], Tensor] | None] = []
        for segment in self.plan.segments:
            acting = self._acting(segment)
            tap = None if acting is None else acting.embeddings_tap()
            maps = tap is not None and type(tap).inverted is not EmbeddingsTap.inverted
            inverse = tap.inverted if tap is not None and maps else None
            found += [inverse] * (segment.stop - segment.start)
        return tuple(found) if any(found) else None

    def _taps(self, segment: Segment, layer: int) -> LayerTaps:
        found = self._acting(segment)
        return NO_TAPS if found is None else found.taps(layer)

    def _acting(self, segment: Segment) -> Acting | None:
        return None if segment.adapter is None else self.acting[segment.adapter]


_JOINS: Mapping[str, Callable[[tuple[Segment, ...], tuple[Any, ...]], Any]] = {
    **dict.fromkeys(PROJECTIONS, SegmentedProjection),
    "inner": SegmentedTokens,
    "output": SegmentedTokens,
    "prefix": SegmentedPrefix,
    "attention": SegmentedSublayer,
    "ffn": SegmentedSublayer,
}
