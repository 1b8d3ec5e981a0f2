"""Taps that run each segment's own tap on its rows, and the encoder's own step on the others.

An adapter's tap never writes into what it is given. These do, outside autograd's graph: the encoder
makes what it gives them for them alone, and most rows of it often stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from polyhead.batch import Packing
from polyhead.contracts import EmbeddingsTap, Prefixes

if TYPE_CHECKING:
    from polyhead.contracts import (
        PrefixTap,
        Projection,
        ProjectionTap,
        SublayerTap,
        TokenTap,
    )
    from polyhead.routing.stages import Segment

__all__ = [
    "SegmentedEmbeddings",
    "SegmentedPrefix",
    "SegmentedProjection",
    "SegmentedSublayer",
    "SegmentedTokens",
]


@dataclass(frozen=True)
class SegmentedSublayer:
    """A sub-layer's end.

    Attributes:
        segments: The batch's rows by their adapters.
        taps: Of each segment; None for the encoder's own step.
    """

    segments: tuple[Segment, ...]
    taps: tuple[SublayerTap | None, ...]

    def __call__(
        self,
        output: Tensor,
        residual: Tensor,
        norm: Callable[[Tensor], Tensor],
        packing: Packing,
    ) -> Tensor:
        """See `SublayerTap`."""
        done = []
        for first, behind in self._runs():
            start, stop = self.segments[first].start, self.segments[behind - 1].stop
            tokens = packing.tokens(start, stop)
            own, before, tap = output[tokens], residual[tokens], self.taps[first]
            if tap is None:
                done.append(norm(own + before))
            elif behind - first == 1:
                done.append(tap(own, before, norm, packing.rows(start, stop)))
            else:
                rows = packing.rows(start, stop)
                parts = [
                    rows.tokens(segment.start - start, segment.stop - start)
                    for segment in self.segments[first:behind]
                ]
                taps: Any = self.taps[first:behind]  # joinable, or they would not be one run
                done.append(taps[0].joined(taps, parts, own, before, norm))
        return done[0] if len(done) == 1 else torch.cat(done)

    def _runs(self) -> Iterator[tuple[int, int]]:
        """Neighbouring segments that are computed together: the first and the one behind."""
        keys = [_join_key(tap, number) for number, tap in enumerate(self.taps)]
        first = 0
        for _, run in groupby(keys):
            behind = first + len(list(run))
            yield first, behind
            first = behind


def _join_key(tap: SublayerTap | None, number: int) -> Hashable:
    """Equal for the taps of segments that are computed together; `number` where it is alone."""
    if tap is None:
        return None
    ask = None if torch.is_grad_enabled() else getattr(tap, "join_key", None)
    found = None if ask is None else ask()
    return number if found is None else found


@dataclass(frozen=True)
class SegmentedProjection:
    """What comes behind a linear layer; attributes as those of SegmentedSublayer."""

    segments: tuple[Segment, ...]
    taps: tuple[ProjectionTap | None, ...]

    def __call__(
        self, inputs: Tensor, outputs: Tensor, projection: Projection, packing: Packing
    ) -> Tensor:
        """See `ProjectionTap`; outside autograd's graph, `outputs` are written into."""
        if not torch.is_grad_enabled():
            self._write(inputs, outputs, projection, packing)
            return outputs
        done = []
        for segment, tap in zip(self.segments, self.taps, strict=True):
            tokens = packing.tokens(segment.start, segment.stop)
            if tap is None:
                done.append(outputs[tokens])
            else:
                rows = packing.rows(segment.start, segment.stop)
                done.append(tap(inputs[tokens], outputs[tokens], projection, rows))
        return torch.cat(done)

    def _write(
        self, inputs: Tensor, outputs: Tensor, projection: Projection, packing: Packing
    ) -> None:
        """Puts what the taps return into the place of `outputs`, which nothing else reads."""
        for segment, tap in zip(self.segments, self.taps, strict=True):
            if tap is not None:
                tokens = packing.tokens(segment.start, segment.stop)
                rows = packing.rows(segment.start, segment.stop)
                outputs[tokens] = tap(inputs[tokens], outputs[tokens], projection, rows)


@dataclass(frozen=True)
class SegmentedTokens:
    """What comes behind a step on each token; attributes as those of SegmentedSublayer."""

    segments: tuple[Segment, ...]
    taps: tuple[TokenTap | None, ...]

    def __call__(self, values: Tensor, packing: Packing) -> Tensor:
        """See `TokenTap`; outside autograd's graph, `values` are written into."""
        done = []
        for segment, tap in zip(self.segments, self.taps, strict=True):
            tokens = packing.tokens(segment.start, segment.stop)
            own = values[tokens]
            found = own if tap is None else tap(own, packing.rows(segment.start, segment.stop))
            if torch.is_grad_enabled():
                done.append(found)
            elif found is not own:
                values[tokens] = found
        return torch.cat(done) if done else values


@dataclass(frozen=True)
class SegmentedPrefix:
    """Prefixes of some rows; attributes as those of SegmentedSublayer, one tap at least."""

    segments: tuple[Segment, ...]
    taps: tuple[PrefixTap | None, ...]

    def __call__(self, inputs: Tensor, packing: Packing) -> Prefixes:
        """See `PrefixTap`."""
        found = []
        for segment, tap in zip(self.segments, self.taps, strict=True):
            rows = packing.rows(segment.start, segment.stop)
            tokens = packing.tokens(segment.start, segment.stop)
            found.append(rows.n_rows if tap is None else tap(inputs[tokens], rows))
        like = next(part for part in found if isinstance(part, Prefixes))
        return Prefixes.joined(
            [part if isinstance(part, Prefixes) else Prefixes.none(part, like) for part in found]
        )


class SegmentedEmbeddings(EmbeddingsTap):
    """What comes between the embeddings and the first layer."""

    def __init__(
        self, segments: tuple[Segment, ...], taps: tuple[EmbeddingsTap | None, ...]
    ) -> None:
        """Takes the batch's rows by their adapters, and the tap of each segment or None."""
        self._segments = segments
        self._taps = taps

    def enter(self, embeddings: Tensor, packing: Packing) -> tuple[Tensor, Packing]:
        """See `EmbeddingsTap`."""
        return self._each("enter", embeddings, packing)

    def leave(self, hidden: Tensor, packing: Packing) -> tuple[Tensor, Packing]:
        """See `EmbeddingsTap`."""
        return self._each("leave", hidden, packing)

    def _each(self, step: str, values: Tensor, packing: Packing) -> tuple[Tensor, Packing]:
        parts = []
        for segment, tap in zip(self._segments, self._taps, strict=True):
            own = values[packing.tokens(segment.start, segment.stop)]
            rows = packing.rows(segment.start, segment.stop)
            parts.append((own, rows) if tap is None else getattr(tap, step)(own, rows))
        lengths = sum((rows.lengths for _, rows in parts), ())
        return torch.cat([own for own, _ in parts]), Packing(lengths)
