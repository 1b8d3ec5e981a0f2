"""Rows that went through the encoder together, and what each head sees of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from polyhead.batch import Hidden, Packing
from polyhead.contracts import SideAdapter
from polyhead.model.side_reads import SideReads

if TYPE_CHECKING:
    from polyhead.contracts import Adapter
    from polyhead.encoder import EncoderOutput
    from polyhead.model.reading import Reading
    from polyhead.model.side_reads import PickedRows
    from polyhead.routing import Plan

__all__ = ["EncoderPass", "side_adapters"]


def side_adapters(adapters: Mapping[str, Adapter]) -> dict[str, SideAdapter]:
    """Those among `adapters` that only read: to the encoder, their rows have no adapter."""
    return {name: found for name, found in adapters.items() if isinstance(found, SideAdapter)}


@dataclass(frozen=True)
class EncoderPass:
    """Rows that went through the encoder together.

    Attributes:
        plan: How they were computed.
        output: Their hidden states, in the plan's order; with all layers' where there are side
            adapters.
        row_adapters: The adapter of each row that was asked for, or None.
        sides: The side adapters among these.
        word_embeddings: The encoder's own matrix. Shape: (V, D).
    """

    plan: Plan
    output: EncoderOutput
    row_adapters: Sequence[str | None]
    sides: Mapping[str, SideAdapter]
    word_embeddings: Tensor

    def hidden(self, readings: Sequence[Reading]) -> list[Hidden]:
        """What each of several heads sees of its rows; side adapters are run in here.

        Raises:
            ContractError: A side adapter fails, or returns something of another shape or type.
        """
        if not self.sides:
            return [self._plain(reading) for reading in readings]
        reads = SideReads(self.output.layers or (), self.plan.packing, self.sides)
        reads.read(self._wanted(readings))
        return [self._beside(reading, reads) for reading in readings]

    def _wanted(self, readings: Sequence[Reading]) -> dict[tuple[str, int], list[int]]:
        """The distinct rows that each side adapter reads, for each depth."""
        wanted: dict[tuple[str, int], dict[int, None]] = {}
        for reading in readings:
            for number in reading.numbers:
                name = self.row_adapters[number]
                if name is not None and name in self.sides:
                    wanted.setdefault((name, reading.depth), {})[self.plan.place[number]] = None
        return {key: list(places) for key, places in wanted.items()}

    def _plain(self, reading: Reading) -> Hidden:
        return self._hidden(
            reading,
            self.plan.packing,
            tuple(self.plan.place[number] for number in reading.numbers),
            self.output.last,
            self.output.layers if reading.keeps_layers else None,
        )

    def _beside(self, reading: Reading, reads: SideReads) -> Hidden:
        """What a head sees whose rows may be read by side adapters."""
        names = dict.fromkeys(self._side_of(number) for number in reading.numbers)
        if not any(names):
            return self._plain(reading)
        sources = {name: self._source(name, reading, reads) for name in names}
        if len(sources) == 1:
            [source] = sources.values()
            index = tuple(source.row_of[self.plan.place[number]] for number in reading.numbers)
            return self._hidden(reading, source.packing, index, source.last, source.layers)
        return self._joined(reading, sources)

    def _joined(self, reading: Reading, sources: Mapping[str | None, _Source]) -> Hidden:
        """What a head sees whose rows have several sources, put below one another."""
        first_row, n_rows = {}, 0
        for name, source in sources.items():
            first_row[name] = n_rows
            n_rows += source.packing.n_rows
        index = []
        for number in reading.numbers:
            name = self._side_of(number)
            index.append(first_row[name] + sources[name].row_of[self.plan.place[number]])
        packing = Packing(sum((source.packing.lengths for source in sources.values()), ()))
        last = torch.cat([source.last for source in sources.values()])
        layers = None
        if reading.keeps_layers:
            stacks = [source.layers or () for source in sources.values()]
            layers = tuple(torch.cat(parts) for parts in zip(*stacks, strict=True))
        return self._hidden(reading, packing, tuple(index), last, layers)

    def _side_of(self, number: int) -> str | None:
        """The side adapter of a row; None where the encoder's own hidden states are read."""
        name = self.row_adapters[number]
        return name if name in self.sides else None

    def _source(self, name: str | None, reading: Reading, reads: SideReads) -> _Source:
        if name is None:
            layers = (self.output.layers or ())[: reading.depth + 1]
            rows = {place: place for place in range(len(self.plan.rows))}
            return _Source(self.plan.packing, rows, self.output.last, layers)
        picked, last = reads.result(name, reading.depth)
        return _Source.beside(picked, last, reading)

    def _hidden(
        self,
        reading: Reading,
        packing: Packing,
        index: tuple[int, ...],
        last: Tensor,
        layers: tuple[Tensor, ...] | None,
    ) -> Hidden:
        return Hidden(last, packing, index, layers, reading.row_counts, self.word_embeddings)


@dataclass(frozen=True)
class _Source:
    """Where a head's rows are read: of the pass itself, or of what a side adapter made.

    Attributes:
        packing: Of its rows.
        row_of: Which of them a row of the pass is.
        last: The last hidden states.
        layers: The embeddings and all layers up to the head's, or None where they are not read.
    """

    packing: Packing
    row_of: Mapping[int, int]
    last: Tensor
    layers: tuple[Tensor, ...] | None

    @classmethod
    def beside(cls, rows: PickedRows, last: Tensor, reading: Reading) -> _Source:
        """The rows that a side adapter read, its result in the place of their highest layer."""
        layers = None
        if reading.keeps_layers:
            layers = (*(rows.layer(number) for number in range(reading.depth)), last)
        return cls(rows.packing, rows.row_of, last, layers)
