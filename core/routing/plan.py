"""The order in which a batch's rows are computed.

Rows are sorted by adapter, then length: each adapter owns one contiguous slice of tokens and works
on a view of it, and rows of equal length lie side by side for attention. A row that is asked for
several times, by heads that share an adapter, is computed once; a text that several adapters read
is computed once up to where the first of them acts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from polyhead.batch import Packed, Packing, Row
from polyhead.routing.stages import BARE_RANK, Line, Segment, Stage, segments_of, stages_of

if TYPE_CHECKING:
    from collections.abc import Hashable

    import torch

    from polyhead.composition import AdapterSetup
    from polyhead.routing.entry import Entry

__all__ = ["Plan"]


@dataclass(frozen=True)
class Plan:
    """Which rows are computed, in which order, under which adapter.

    Attributes:
        rows: The distinct rows in packed order, as they leave the encoder.
        place: For each row asked for, where it lies among `rows`.
        packing: Where each row's tokens lie.
        stages: What is computed of them from where to where; mostly a single stage.
        first_only: For each of `rows` whether nothing but its first token is read in the end; of
            none when empty.
    """

    rows: tuple[Row, ...]
    place: tuple[int, ...]
    packing: Packing
    stages: tuple[Stage, ...]
    first_only: tuple[bool, ...] = ()

    @classmethod
    def of(
        cls,
        rows: Sequence[Row],
        adapters: Sequence[AdapterSetup],
        *,
        share_rows: bool = True,
        entry: Callable[[AdapterSetup], Entry | None] | None = None,
        sort: Callable[[AdapterSetup], Hashable] | None = None,
        first_only: Sequence[bool] = (),
    ) -> Plan:
        """The plan for `rows`, each under the adapter at its place in `adapters`.

        Args:
            rows: What is asked for.
            adapters: Each row's adapter, or None for the bare encoder.
            share_rows: Whether equal rows are computed once. They are not where each shall have
                dropout of its own.
            entry: Where an adapter first acts, as `entry_of` tells: what comes before is computed
                once for all adapters of a text. When None, nothing is shared between adapters.
            sort: Adapters of one sort lie side by side, to be run together; when None, each is of
                its own.
            first_only: For each row whether nothing but its first token is read in the end; of none
                when empty.
        """
        rank = _ranks(adapters, sort)
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
        place = tuple(place_of[key] for key in keys)
        return cls(
            rows=tuple(rows[number] for number in distinct),
            place=place,
            packing=Packing(tuple(len(rows[number]) for number in distinct)),
            stages=stages_of(
                [Line(keys[number][2:], adapters[number], keys[number][:2]) for number in distinct],
                _nowhere if entry is None else entry,
            ),
            first_only=_for_all(first_only, place) if any(first_only) else (),
        )

    @property
    def segments(self) -> tuple[Segment, ...]:
        """The adapters' slices of the rows, in packed order."""
        return self.stages[-1].segments

    @cached_property
    def adapters(self) -> tuple[AdapterSetup, ...]:
        """The adapter of each distinct row, or None for the bare encoder."""
        return tuple(
            segment.adapter for segment in self.segments for _ in range(segment.start, segment.stop)
        )

    def only(self, places: Sequence[int]) -> Plan:
        """The plan that computes these of its rows alone, each for itself.

        Args:
            places: Distinct rows, ascending.
        """
        rows = tuple(self.rows[place] for place in places)
        segments = segments_of([self.adapters[place] for place in places])
        numbers = tuple(range(len(rows)))
        stage = Stage(self.stages[0].entry, numbers, (), segments)
        return Plan(rows, numbers, Packing(tuple(map(len, rows))), (stage,))

    def packed(self, device: torch.device) -> Packed:
        """The tokens that enter the encoder, as it reads them."""
        return Packed.of([self.rows[number] for number in self.stages[0].lines], device)


def _ranks(
    adapters: Sequence[AdapterSetup], sort: Callable[[AdapterSetup], Hashable] | None
) -> dict[AdapterSetup, int]:
    """Each adapter's number, in the order of their sorts and first rows; BARE_RANK for none."""
    distinct = [adapter for adapter in dict.fromkeys(adapters) if adapter is not None]
    if sort is not None and len(distinct) > 1:
        sorts = {adapter: sort(adapter) for adapter in distinct}
        first = {each: number for number, each in enumerate(dict.fromkeys(sorts.values()))}
        distinct.sort(key=lambda adapter: first[sorts[adapter]])
    return {None: BARE_RANK} | {adapter: number for number, adapter in enumerate(distinct)}


def _for_all(flags: Sequence[bool], place: Sequence[int]) -> tuple[bool, ...]:
    """For each distinct row whether the flags of all that ask for it are set."""
    unset = {row for flag, row in zip(flags, place, strict=True) if not flag}
    return tuple(row not in unset for row in range(max(place) + 1))


def _nowhere(_: AdapterSetup) -> Entry | None:
    return None
