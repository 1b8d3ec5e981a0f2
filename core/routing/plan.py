"""The order in which a batch's rows are computed.

Rows are sorted by adapter, then length: each adapter owns one contiguous slice of tokens and works
on a view of it, and rows of equal length lie side by side for attention. A row that is asked for
several times, by heads that share an adapter, is computed once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import TYPE_CHECKING

from polyhead.batch import Packed, Packing, Row

if TYPE_CHECKING:
    import torch

    from polyhead.composition import AdapterSetup

__all__ = ["Plan", "Segment"]


@dataclass(frozen=True)
class Segment:
    """Neighbouring rows with the same adapter.

    Attributes:
        adapter: Its name, several put together, or None for the bare encoder.
        start: Its first row.
        stop: The row behind its last.
    """

    adapter: AdapterSetup
    start: int
    stop: int


@dataclass(frozen=True)
class Plan:
    """Which rows are computed, in which order, under which adapter.

    Attributes:
        rows: The distinct rows in packed order.
        segments: The adapters' slices of them, in packed order.
        place: For each row asked for, where it lies among `rows`.
        packing: Where each row's tokens lie.
    """

    rows: tuple[Row, ...]
    segments: tuple[Segment, ...]
    place: tuple[int, ...]
    packing: Packing

    @classmethod
    def of(
        cls, rows: Sequence[Row], adapters: Sequence[AdapterSetup], *, share_rows: bool = True
    ) -> Plan:
        """The plan for `rows`, each under the adapter at its place in `adapters`.

        Args:
            rows: What is asked for.
            adapters: Each row's adapter, or None for the bare encoder.
            share_rows: Whether equal rows are computed once. They are not where each shall have
                dropout of its own.
        """
        rank = {adapter: number for number, adapter in enumerate(dict.fromkeys(adapters))}
        keys = [
            (rank[adapter], len(row), row.ids, row.positions or (), 0 if share_rows else number)
            for number, (row, adapter) in enumerate(zip(rows, adapters, strict=True))
        ]
        # by adapter and length alone: sorting by tokens too would only cost time
        order = sorted(range(len(rows)), key=lambda number: keys[number][:2])
        place_of: dict[tuple[object, ...], int] = {}
        distinct: list[int] = []
        for number in order:
            if keys[number] not in place_of:
                place_of[keys[number]] = len(distinct)
                distinct.append(number)
        return cls(
            rows=tuple(rows[number] for number in distinct),
            segments=_segments([adapters[number] for number in distinct]),
            place=tuple(place_of[key] for key in keys),
            packing=Packing(tuple(len(rows[number]) for number in distinct)),
        )

    @cached_property
    def adapters(self) -> tuple[AdapterSetup, ...]:
        """The adapter of each distinct row, or None for the bare encoder."""
        return tuple(
            segment.adapter for segment in self.segments for _ in range(segment.start, segment.stop)
        )

    def only(self, places: Sequence[int]) -> Plan:
        """The plan that computes these of its rows alone.

        Args:
            places: Distinct rows, ascending.
        """
        rows = tuple(self.rows[place] for place in places)
        return Plan(
            rows=rows,
            segments=_segments([self.adapters[place] for place in places]),
            place=tuple(range(len(rows))),
            packing=Packing(tuple(map(len, rows))),
        )

    def packed(self, device: torch.device) -> Packed:
        """The tokens of the plan's rows, as the encoder reads them."""
        return Packed.of(self.rows, device)


def _segments(adapters: Sequence[AdapterSetup]) -> tuple[Segment, ...]:
    segments = []
    start = 0
    for adapter, group in groupby(adapters):
        stop = start + len(list(group))
        segments.append(Segment(adapter, start, stop))
        start = stop
    return tuple(segments)
