"""What side adapters make of the rows of one pass through the encoder.

Dimensions: N tokens of the rows that are read, D width.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from polyhead.batch import Packing, sent
from polyhead.errors import ContractError, PolyheadError
from polyhead.registry import registry

if TYPE_CHECKING:
    from polyhead.composition import AdapterSetup
    from polyhead.contracts import SideAdapter

__all__ = ["PickedRows", "SideReads", "unread"]


def unread(like: Tensor) -> Tensor:
    """What stands in for a layer that nobody reads: NaN, which takes no memory. Shape of `like`."""
    return like.new_full((1, 1), torch.nan).expand(like.shape)


class PickedRows:
    """Some of the rows of a pass, with the layers' hidden states of their tokens."""

    def __init__(self, layers: Sequence[Tensor], packing: Packing, places: tuple[int, ...]) -> None:
        """Picks rows; their tokens are gathered layer by layer, when they are asked for.

        Args:
            layers: Of the whole pass, each (N_pass, D).
            packing: Of the whole pass.
            places: The rows, ascending.
        """
        self.packing = packing.picked(places)
        self.row_of = {place: row for row, place in enumerate(places)}
        self._layers = layers
        self._all = packing
        self._places = places
        self._picked: dict[int, Tensor] = {}

    def layer(self, number: int) -> Tensor:
        """One layer's hidden states of these rows. Shape: (N, D)."""
        if number not in self._picked:
            self._picked[number] = self._pick(self._layers[number])
        return self._picked[number]

    def _pick(self, layer: Tensor) -> Tensor:
        places = self._places
        if not places:
            return layer[:0]
        if places[-1] - places[0] == len(places) - 1:  # neighbours: a view
            return layer[self._all.tokens(places[0], places[-1] + 1)]
        return layer.index_select(0, self._tokens)

    @cached_property
    def _tokens(self) -> Tensor:
        return sent(self._all.tokens_of(self._places), self._layers[0].device)


class SideReads:
    """Runs side adapters, each once for all heads that read it at one depth.

    Adapters of one class that read the same rows are run together.
    """

    def __init__(
        self,
        layers: Sequence[Tensor],
        packing: Packing,
        adapters: Mapping[AdapterSetup, SideAdapter],
    ) -> None:
        """Prepares to read.

        Args:
            layers: The embeddings and the layers of a pass, each (N_pass, D).
            packing: Where each of the pass's rows lies.
            adapters: The side adapters by name.
        """
        self._layers = layers
        self._packing = packing
        self._adapters = adapters
        self._rows: dict[tuple[int, ...], PickedRows] = {}
        self._read: dict[tuple[AdapterSetup, int], tuple[PickedRows, Tensor]] = {}

    def read(self, wanted: Mapping[tuple[AdapterSetup, int], Sequence[int]]) -> None:
        """Runs every adapter that is wanted.

        Args:
            wanted: For an adapter's name and a depth, the rows of the pass that are read so.

        Raises:
            ContractError: An adapter fails, or returns something of another shape or type.
        """
        together: dict[tuple[tuple[int, ...], int, type], list[AdapterSetup]] = {}
        for (name, depth), places in wanted.items():
            key = tuple(sorted(places)), depth, type(self._adapters[name])
            together.setdefault(key, []).append(name)
        for (places, depth, _), names in together.items():
            rows = self._rows.setdefault(places, PickedRows(self._layers, self._packing, places))
            outputs = self._run([self._adapters[name] for name in names], rows, depth)
            for name, output in zip(names, outputs, strict=True):
                self._read[name, depth] = rows, output

    def result(self, name: AdapterSetup, depth: int) -> tuple[PickedRows, Tensor]:
        """The rows that an adapter read at a depth, and what it made of them, (N, D)."""
        return self._read[name, depth]

    def _run(
        self, adapters: Sequence[SideAdapter], rows: PickedRows, depth: int
    ) -> Sequence[Tensor]:
        numbers = {number for adapter in adapters for number in adapter.reads(depth)}
        # detached: below them may lie taps of other rows' adapters, which take gradients
        known = {number: rows.layer(number).detach() for number in numbers}
        like = next(iter(known.values())) if known else rows.layer(depth).detach()
        layers = tuple(
            known[number] if number in known else unread(like) for number in range(depth + 1)
        )
        try:
            if len(adapters) == 1:
                outputs = [adapters[0].read(layers, rows.packing)]
            else:
                outputs = list(type(adapters[0]).read_many(adapters, layers, rows.packing))
        except (PolyheadError, MemoryError, torch.OutOfMemoryError):
            raise
        except Exception as error:
            told = f"{type(error).__name__}: {' '.join(str(error).split())}".removesuffix(": ")
            raise _mistake(adapters[0], f"failed with {told}") from error
        if len(outputs) != len(adapters):
            must = f"it must return one result for each of {len(adapters)} adapters"
            raise _mistake(adapters[0], f"returned {len(outputs)} for several; {must}")
        for adapter, output in zip(adapters, outputs, strict=True):
            _check(adapter, output, like)
        return outputs


def _check(adapter: SideAdapter, output: object, like: Tensor) -> None:
    if isinstance(output, Tensor):
        did = f"returned a tensor of shape {tuple(output.shape)} and type {output.dtype}"
        if output.shape == like.shape and output.dtype == like.dtype:
            return
    else:
        did = f"returned a {type(output).__name__}"
    must = (
        f"it must return a tensor of shape {tuple(like.shape)} and type {like.dtype}, a hidden "
        "state for each token"
    )
    raise _mistake(adapter, f"{did}; {must}")


def _mistake(adapter: SideAdapter, did: str) -> ContractError:
    try:
        origin = str(registry().provider_of_adapter(adapter.kind))
    except PolyheadError:  # never registered, or claimed by several
        origin = f"the module {type(adapter).__module__}"
    return ContractError(
        f"read of the adapter kind {adapter.kind!r} of {origin} {did}. Report it to those who "
        "wrote the adapter."
    )
