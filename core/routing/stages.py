"""Texts that several adapters read, computed once up to where the first of them acts.

Such a text goes through the encoder as one row without adapter, its stem. Where an adapter first
acts, the text gets a row of its own under that adapter, a copy of the stem as it is there; behind
the last of them the stem goes on alone where the bare encoder was asked for, and ends elsewhere.
The rows of a batch therefore change from stage to stage.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Final

from polyhead.contracts import LayerStep
from polyhead.routing.entry import Entry

if TYPE_CHECKING:
    from polyhead.composition import AdapterSetup

__all__ = ["BARE_RANK", "Line", "Segment", "Stage", "segments_of", "stages_of"]

_START: Final = Entry(0, LayerStep.START)

BARE_RANK: Final = -1
"""Where rows without adapter lie among the others: in front."""


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
class Stage:
    """The rows of a batch between two places where texts part.

    Attributes:
        entry: Where it begins.
        lines: What each row is: the number of a line, see `stages_of`.
        sources: For each row the row of the stage before that it goes on from.
        segments: The adapters' slices of the rows.
    """

    entry: Entry
    lines: tuple[int, ...]
    sources: tuple[int, ...]
    segments: tuple[Segment, ...]


@dataclass(frozen=True)
class Line:
    """A text under one adapter.

    Attributes:
        text: What tells texts apart.
        adapter: Its adapter, or None.
        order: Where it lies among the lines of a stage: the rank of its adapter, BARE_RANK for
            none, and its length.
    """

    text: Hashable
    adapter: AdapterSetup
    order: tuple[int, int]


def stages_of(
    lines: Sequence[Line], entry: Callable[[AdapterSetup], Entry | None]
) -> tuple[Stage, ...]:
    """The rows that are computed, from stage to stage; the last one's are `lines` themselves.

    Args:
        lines: In the order of their `order`; no two with the same text and adapter.
        entry: Where an adapter first acts; None where it nowhere does. Asked only for adapters of
            texts that have several.
    """
    stems = _stems(lines, entry)
    joins = {number: join for stem in stems for number, join in stem.joins}
    stages: list[Stage] = []
    for begin in sorted({_START, *joins.values()}):
        ahead = {number for number, join in joins.items() if join > begin}
        stages.append(_stage(begin, lines, stems, ahead, stages[-1] if stages else None))
    return tuple(stages)


@dataclass(frozen=True)
class _Stem:
    """A text that is one row until its first adapter acts.

    Attributes:
        bare: The line of the bare encoder, if it is asked for.
        joins: The other lines and where they part, in that order.
    """

    bare: int | None
    joins: tuple[tuple[int, Entry], ...]

    @property
    def line(self) -> int:
        """The line that stands for the text as long as its own adapter does not act."""
        return self.joins[-1][0] if self.bare is None else self.bare


def _stems(
    lines: Sequence[Line], entry: Callable[[AdapterSetup], Entry | None]
) -> tuple[_Stem, ...]:
    of_text: dict[Hashable, list[int]] = {}
    for number, line in enumerate(lines):
        of_text.setdefault(line.text, []).append(number)
    if len(of_text) == len(lines):
        return ()
    entries = cache(entry)
    stems = []
    for numbers in of_text.values():
        bare = next((number for number in numbers if lines[number].adapter is None), None)
        found = [(n, entries(lines[n].adapter)) for n in numbers if n != bare and len(numbers) > 1]
        late = [(n, place) for n, place in found if place is not None and place > _START]
        if len(late) + (bare is not None) > 1:
            stems.append(_Stem(bare, tuple(sorted(late, key=itemgetter(1)))))
    return tuple(stems)


def _stage(
    begin: Entry,
    lines: Sequence[Line],
    stems: Sequence[_Stem],
    ahead: Collection[int],
    before: Stage | None,
) -> Stage:
    """One stage.

    Args:
        begin: Where it begins.
        lines: All lines.
        stems: The texts that part.
        ahead: The lines that part behind `begin`.
        before: The stage before.
    """
    stem_lines = {stem.line for stem in stems}
    orders = {
        number: (BARE_RANK, line.order[1]) if number in ahead else line.order
        for number, line in enumerate(lines)
        if number not in ahead or number in stem_lines
    }
    alive = tuple(sorted(orders, key=orders.__getitem__))
    adapters = [None if number in ahead else lines[number].adapter for number in alive]
    sources: tuple[int, ...] = ()
    if before is not None:
        stem_of = {number: stem.line for stem in stems for number, _ in stem.joins}
        row_of = {number: row for row, number in enumerate(before.lines)}
        sources = tuple(
            row_of[number] if number in row_of else row_of[stem_of[number]] for number in alive
        )
    return Stage(begin, alive, sources, segments_of(adapters))


def segments_of(adapters: Sequence[AdapterSetup]) -> tuple[Segment, ...]:
    """The slices of rows that lie side by side under one adapter."""
    segments = []
    start = 0
    for adapter, group in groupby(adapters):
        stop = start + len(list(group))
        segments.append(Segment(adapter, start, stop))
        start = stop
    return tuple(segments)
