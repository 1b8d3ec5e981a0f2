"""Rows that went through the encoder together, and what each head sees of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import torch
from torch import Tensor

from polyhead.batch import Hidden, Packing
from polyhead.contracts import SideAdapter
from polyhead.model.side_reads import SideReads

if TYPE_CHECKING:
    from collections.abc import Callable

    from polyhead.composition import Acting, AdapterSetup
    from polyhead.encoder import EncoderOutput
    from polyhead.model.reading import Reading
    from polyhead.model.side_reads import PickedRows
    from polyhead.routing import Plan

__all__ = ["EncoderPass", "side_adapters"]

Inverses: TypeAlias = "tuple[Callable[[Tensor, Packing], Tensor] | None, ...] | None"


def side_adapters(acting: Mapping[AdapterSetup, Acting]) -> dict[AdapterSetup, SideAdapter]:
    """Those among `acting` that only read: to the encoder, their rows have no adapter."""
    return {setup: found for setup, found in acting.items() if isinstance(found, SideAdapter)}


@dataclass(frozen=True)
class EncoderPass:
    """Rows that went through the encoder together.

    Attributes:
        plan: How they were computed.
        output: Their hidden states, in the plan's order; with all layers' where there are side
            adapters.
        row_adapters: What acts on each row that was asked for: an adapter, several put together, or
            None.
        sides: The side adapters among these.
        word_embeddings: The encoder's own matrix. Shape: (V, D).
        inverses: For each of the plan's rows what maps back what its adapter made of the
            embeddings, or None; None where no row has one.
    """

    plan: Plan
    output: EncoderOutput
    row_adapters: Sequence[AdapterSetup]
    sides: Mapping[AdapterSetup, SideAdapter]
    word_embeddings: Tensor
    inverses: Inverses = None

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

    def _wanted(self, readings: Sequence[Reading]) -> dict[tuple[AdapterSetup, int], list[int]]:
        """The distinct rows that each side adapter reads, for each depth."""
        wanted: dict[tuple[AdapterSetup, int], dict[int, None]] = {}
        for reading in readings:
            for number in reading.numbers:
                name = self.row_adapters[number]
                if name in self.sides:
                    wanted.setdefault((name, reading.depth), {})[self.plan.place[number]] = None
        return {key: list(places) for key, places in wanted.items()}

    def _plain(self, reading: Reading) -> Hidden:
        layers = self.output.layers if reading.keeps_layers else None
        packing = self.output.packing or self.plan.packing
        source = _Source(packing, {}, self.output.last, layers, self.inverses)
        places = tuple(self.plan.place[number] for number in reading.numbers)
        return self._hidden(reading, source, places)

    def _beside(self, reading: Reading, reads: SideReads) -> Hidden:
        """What a head sees whose rows may be read by side adapters."""
        names = dict.fromkeys(self._side_of(number) for number in reading.numbers)
        if not any(names):
            return self._plain(reading)
        sources = {name: self._source(name, reading, reads) for name in names}
        first_row, n_rows = {}, 0
        for name, source in sources.items():
            first_row[name] = n_rows
            n_rows += source.packing.n_rows
        index = []
        for number in reading.numbers:
            name = self._side_of(number)
            index.append(first_row[name] + sources[name].row_of[self.plan.place[number]])
        return self._hidden(reading, _Source.joined(list(sources.values())), tuple(index))

    def _side_of(self, number: int) -> AdapterSetup:
        """The side adapter of a row; None where the encoder's own hidden states are read."""
        name = self.row_adapters[number]
        return name if name in self.sides else None

    def _source(self, name: AdapterSetup, reading: Reading, reads: SideReads) -> _Source:
        if name is None:
            layers = None
            if reading.keeps_layers:
                layers = (self.output.layers or ())[: reading.depth + 1]
            rows = {place: place for place in range(len(self.plan.rows))}
            return _Source(self.plan.packing, rows, self.output.last, layers, self.inverses)
        picked, last = reads.result(name, reading.depth)
        return _Source.beside(picked, last, reading)

    def _hidden(self, reading: Reading, source: _Source, index: tuple[int, ...]) -> Hidden:
        return Hidden(
            source.last,
            source.packing,
            index,
            source.layers,
            reading.row_counts,
            self.word_embeddings,
            source.inverses,
        )


@dataclass(frozen=True)
class _Source:
    """Where a head's rows are read: of the pass itself, or of what a side adapter made.

    Attributes:
        packing: Of its rows.
        row_of: Which of them a row of the pass is.
        last: The last hidden states.
        layers: The embeddings and all layers up to the head's, or None where they are not read.
        inverses: As in the pass, of these rows.
    """

    packing: Packing
    row_of: Mapping[int, int]
    last: Tensor
    layers: tuple[Tensor, ...] | None
    inverses: Inverses

    @classmethod
    def beside(cls, rows: PickedRows, last: Tensor, reading: Reading) -> _Source:
        """The rows that a side adapter read, its result in the place of their highest layer."""
        layers = None
        if reading.keeps_layers:
            layers = (*(rows.layer(number) for number in range(reading.depth)), last)
        return cls(rows.packing, rows.row_of, last, layers, None)

    @classmethod
    def joined(cls, sources: Sequence[_Source]) -> _Source:
        """The rows of several, below one another."""
        if len(sources) == 1:
            return sources[0]
        layers = None
        if all(source.layers is not None for source in sources):
            stacks = [source.layers or () for source in sources]
            layers = tuple(torch.cat(parts) for parts in zip(*stacks, strict=True))
        inverses = sum(
            (source.inverses or (None,) * source.packing.n_rows for source in sources), ()
        )
        lengths = sum((source.packing.lengths for source in sources), ())
        last = torch.cat([source.last for source in sources])
        return cls(Packing(lengths), {}, last, layers, inverses if any(inverses) else None)
