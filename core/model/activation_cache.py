"""Hidden states that do not change, kept for when the same rows come again.

Without an adapter, or under one that only reads, what the encoder computes of a row follows from
the row's token ids and positions alone; under adapters that do not learn, from these besides. In
training it is the same in every epoch.

Dimensions: N tokens of a batch, T tokens of a row, K layers that are kept, D width.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from polyhead.encoder import EncoderOutput
from polyhead.model.side_reads import unread
from polyhead.routing import Plan

if TYPE_CHECKING:
    from polyhead.batch import Row
    from polyhead.composition import AdapterSetup

__all__ = ["ActivationCache", "Encode"]

Encode = Callable[[Plan, int], EncoderOutput]
"""Runs a plan's rows through the encoder, and keeps the hidden states of all layers up to one."""

_Key = tuple[tuple[int, ...], tuple[int, ...] | None]


class ActivationCache:
    """Hidden states by row, up to a bound of bytes.

    When the bound is reached, what is kept stays, and other rows are computed each time. One thread
    uses it at a time.

    Attributes:
        layers: The layers that are kept, ascending; 0 for the embeddings.
        max_bytes: The bound.
        n_bytes: What is kept now.
        setups: What kept rows go through.
    """

    def __init__(
        self,
        layers: Iterable[int],
        max_bytes: int,
        rows: Iterable[Row] | None = None,
        setups: Iterable[AdapterSetup] = (None,),
    ) -> None:
        """Makes an empty cache.

        Args:
            layers: Those that are read.
            max_bytes: Most bytes of hidden states.
            rows: The only rows that are kept; any when None.
            setups: What kept rows go through: the bare encoder, and adapters whose weights stay as
                they are for as long as the cache is used.
        """
        self.layers = tuple(sorted(set(layers)))
        self.max_bytes = max_bytes
        self.n_bytes = 0
        self.setups = frozenset(setups)
        self._wanted = None if rows is None else {_key(row) for row in rows}
        self._states: dict[tuple[_Key, AdapterSetup], Tensor] = {}

    def __len__(self) -> int:
        return len(self._states)

    def find(self, row: Row, setup: AdapterSetup = None) -> Tensor | None:
        """The kept layers of a row under a setup, or None if it is not kept. Shape: (K, T, D)."""
        return self._states.get((_key(row), setup))

    def keep(self, row: Row, states: Tensor, setup: AdapterSetup = None) -> None:
        """Takes in a copy of a row's states, unless the row is not wanted or does not fit.

        Args:
            row: The row.
            states: Its layers, those that are kept, in their order. Shape: (K, T, D).
            setup: What it went through.
        """
        key = _key(row), setup
        is_wanted = self._wanted is None or key[0] in self._wanted
        is_wanted = is_wanted and setup in self.setups
        if not is_wanted or key in self._states or self.n_bytes + states.nbytes > self.max_bytes:
            return
        # what is computed in inference mode could take no part in training
        with torch.inference_mode(mode=False), torch.no_grad():
            self._states[key] = states.clone()
        self.n_bytes += states.nbytes

    def output(self, plan: Plan, depth: int, encode: Encode) -> EncoderOutput:
        """The hidden states of a plan's rows; those that are kept are not computed again.

        Args:
            plan: The rows. Those under others than `setups` are always computed.
            depth: The highest layer that is read. Of the layers up to it only those may be read
                that are kept: NaN may stand in the others' place.
            encode: Computes rows that are missing.
        """
        found = [
            self.find(row, adapter) for row, adapter in zip(plan.rows, plan.adapters, strict=True)
        ]
        missing = [place for place, states in enumerate(found) if states is None]
        if not missing and found:
            return self._joined([states for states in found if states is not None], depth)
        rest = plan.only(missing) if len(missing) < len(found) else plan
        # what is kept may lie above what this batch reads
        computed = encode(rest, max(depth, *self.layers))
        parts = self._by_row(rest, computed)
        for row, adapter, states in zip(rest.rows, rest.adapters, parts, strict=True):
            self.keep(row, states, adapter)
        if rest is plan:
            layers = (computed.layers or ())[: depth + 1]
            return EncoderOutput(layers[-1], layers)
        new = iter(parts)
        return self._joined([next(new) if states is None else states for states in found], depth)

    def _by_row(self, plan: Plan, computed: EncoderOutput) -> Sequence[Tensor]:
        """Each row's layers, those that are kept, as (K, T, D)."""
        layers = computed.layers or ()
        kept_KND = torch.stack([layers[number] for number in self.layers])
        return torch.split(kept_KND, list(plan.packing.lengths), dim=1)

    def _joined(self, states: Sequence[Tensor], depth: int) -> EncoderOutput:
        """The rows' states one below the other, layer by layer."""
        kept = dict(zip(self.layers, torch.cat(list(states), dim=1).unbind(), strict=True))
        like = kept[self.layers[0]]
        layers = tuple(
            kept[number] if number in kept else unread(like) for number in range(depth + 1)
        )
        return EncoderOutput(layers[-1], layers)


def _key(row: Row) -> _Key:
    return row.ids, row.positions
