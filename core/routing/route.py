"""The taps of a batch: every adapter's own, each on its own slice of the packed tokens."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from polyhead.contracts import NO_TAPS, PROJECTIONS, EmbeddingsTap, LayerStep, LayerTaps
from polyhead.routing.entry import STEP_OF_SITE
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
    from polyhead.routing.plan import Plan
    from polyhead.routing.stages import Segment

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
        taps = {
            segment.adapter: found.taps(layer)
            for segment in self.plan.segments
            if (found := self._acting(segment)) is not None
        }
        if all(tap is NO_TAPS for tap in taps.values()):
            return NO_TAPS
        if len(self.plan.stages) == len(self.plan.segments) == 1:
            return taps[self.plan.segments[0].adapter]
        sites = {}
        for site, join in _JOINS.items():
            segments = self._segments(layer, STEP_OF_SITE[site])
            own = tuple(getattr(taps.get(part.adapter, NO_TAPS), site) for part in segments)
            if len(own) == 1:
                sites[site] = own[0]
            elif any(tap is not None for tap in own):
                sites[site] = join(segments, own)
        return LayerTaps(**sites)

    @cached_property
    def forks(self) -> Mapping[tuple[int, LayerStep], tuple[int, ...]]:
        """Where rows part: at each such place, for each row the one that it goes on from."""
        return {stage.entry: stage.sources for stage in self.plan.stages[1:]}

    @cached_property
    def embeddings(self) -> EmbeddingsTap | None:
        """What acts between the embeddings and the first layer."""
        return self._embeddings(self.plan.stages[0].segments)

    @cached_property
    def leaving(self) -> EmbeddingsTap | None:
        """The same for the rows that leave the encoder, perhaps others than those that enter."""
        return self._embeddings(self.plan.segments)

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

    def _embeddings(self, segments: tuple[Segment, ...]) -> EmbeddingsTap | None:
        taps = tuple(
            None if found is None else found.embeddings_tap()
            for found in map(self._acting, segments)
        )
        if all(tap is None for tap in taps):
            return None
        return taps[0] if len(taps) == 1 else SegmentedEmbeddings(segments, taps)

    def _segments(self, layer: int, step: LayerStep) -> tuple[Segment, ...]:
        """The slices of the rows that are computed at a step of a layer."""
        stages = self.plan.stages
        if len(stages) == 1:
            return stages[0].segments
        reached = [stage for stage in stages if stage.entry <= (layer, step)]
        return reached[-1].segments

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
