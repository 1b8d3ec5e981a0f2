"""The taps of a batch: every adapter's own, each on its own slice of the packed tokens."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from polyhead.contracts import NO_TAPS, Adapter, LayerTaps, SublayerTap

if TYPE_CHECKING:
    from polyhead.batch import Packing
    from polyhead.routing.plan import Plan, Segment

__all__ = ["Route"]


@dataclass(frozen=True)
class Route:
    """What acts where in one batch; called by the encoder with a layer's number.

    Attributes:
        plan: The batch's rows and segments.
        adapters: The adapters that the segments name.
    """

    plan: Plan
    adapters: Mapping[str, Adapter]

    def __call__(self, layer: int) -> LayerTaps:
        """The taps of `layer` for the whole batch."""
        taps = [self._taps(segment, layer) for segment in self.plan.segments]
        if all(tap is NO_TAPS for tap in taps):
            return NO_TAPS
        return LayerTaps(
            attention=self._joined([tap.attention for tap in taps]),
            ffn=self._joined([tap.ffn for tap in taps]),
        )

    def _taps(self, segment: Segment, layer: int) -> LayerTaps:
        return NO_TAPS if segment.adapter is None else self.adapters[segment.adapter].taps(layer)

    def _joined(self, taps: list[SublayerTap | None]) -> SublayerTap | None:
        """One tap for the batch out of one a segment; None where none of them acts."""
        if all(tap is None for tap in taps):
            return None
        if len(taps) == 1:
            return taps[0]
        return _SegmentedTap(tuple(zip(self.plan.segments, taps, strict=True)))


@dataclass(frozen=True)
class _SegmentedTap:
    """Runs each segment's tap on its own rows, and the encoder's own step on the others."""

    parts: tuple[tuple[Segment, SublayerTap | None], ...]

    def __call__(
        self,
        output: Tensor,
        residual: Tensor,
        norm: Callable[[Tensor], Tensor],
        packing: Packing,
    ) -> Tensor:
        done = []
        for segment, tap in self.parts:
            tokens = packing.tokens(segment.start, segment.stop)
            if tap is None:
                done.append(norm(output[tokens] + residual[tokens]))
            else:
                rows = packing.rows(segment.start, segment.stop)
                done.append(tap(output[tokens], residual[tokens], norm, rows))
        return torch.cat(done)
