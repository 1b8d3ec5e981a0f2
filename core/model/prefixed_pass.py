"""Rows that start above the encoder's lowest layers, with hidden states out of a cache.

Dimensions: N tokens of a batch, T tokens of a row, D width.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

from polyhead.batch import Packing
from polyhead.contracts import LayerStep
from polyhead.encoder import EncoderOutput
from polyhead.routing import Entry, Plan
from polyhead.routing.stages import Stage, segments_of

if TYPE_CHECKING:
    from polyhead.batch import Row
    from polyhead.caches.prefix_cache import PrefixCache
    from polyhead.composition import AdapterSetup

__all__ = ["PrefixedPass"]


class _Encode(Protocol):
    def __call__(
        self, plan: Plan, depth: int, start: tuple[int, Tensor] | None = None
    ) -> EncoderOutput:
        """Runs a plan's rows through the encoder, up to a depth, from above where they start."""
        ...


@dataclass(frozen=True)
class PrefixedPass:
    """A pass through the encoder whose lowest layers are looked for in a cache.

    Attributes:
        cache: Where they are looked for and kept.
        context: The digest of what they follow from beside the row.
        plan_of: Plans some of the rows that are asked for, by their numbers.
        encode: Runs a plan.
        entry: Where an adapter first acts; None where it nowhere does.
    """

    cache: PrefixCache
    context: bytes
    plan_of: Callable[[Sequence[int]], Plan]
    encode: _Encode
    entry: Callable[[AdapterSetup], Entry | None]

    def output(
        self, adapters: Sequence[AdapterSetup], depth: int, private: Sequence[bool]
    ) -> tuple[Plan, EncoderOutput]:
        """What the encoder makes of rows, and where in that each of them lies.

        Args:
            adapters: The adapter of each row that is asked for, or None for the bare encoder.
            depth: How many layers are computed, at least as many as are kept.
            private: For each row whether the cache must not know of it.
        """
        top = Entry(self.cache.layer, LayerStep.START)
        upper: list[int] = []
        lower: list[int] = []
        for number, (adapter, hidden) in enumerate(zip(adapters, private, strict=True)):
            may_start = not hidden and (self.entry(adapter) or top) >= top
            (upper if may_start else lower).append(number)
        parts = []
        if upper:
            plan = self.plan_of(upper)
            entering = [plan.rows[line] for line in plan.stages[0].lines]
            start = self.cache.layer, self._states(entering)
            parts.append((upper, plan, self.encode(plan, depth, start)))
        if lower or not upper:
            plan = self.plan_of(lower)
            parts.append((lower, plan, self.encode(plan, depth)))
        if len(parts) == 1:
            [(_, plan, output)] = parts
            return plan, output
        joined = _joined([(numbers, plan) for numbers, plan, _ in parts])
        lengths = sum(((output.packing or plan.packing).lengths for _, plan, output in parts), ())
        last = torch.cat([output.last for _, _, output in parts])
        return joined, EncoderOutput(last, None, packing=Packing(lengths))

    def _states(self, rows: Sequence[Row]) -> Tensor:
        """What the lowest layers make of rows, one below the other. Shape: (N, D)."""
        keys = [self.cache.key(self.context, row) for row in rows]
        row_of = dict(zip(keys, rows, strict=True))
        found = {key: self.cache.find(key) for key in row_of}
        missing = [key for key, states in found.items() if states is None]
        if missing:
            plan = Plan.of([row_of[key] for key in missing], [None] * len(missing))
            last = self.encode(plan, self.cache.layer).last
            states = torch.split(last, list(plan.packing.lengths))
            for key, place in zip(missing, plan.place, strict=True):
                found[key] = states[place]
                self.cache.keep(key, states[place])
        kept = [found[key] for key in keys]
        return torch.cat([states for states in kept if states is not None])


def _joined(parts: Sequence[tuple[Sequence[int], Plan]]) -> Plan:
    """The rows of several plans below one another.

    Args:
        parts: Plans, and the numbers of the rows asked for in each.
    """
    rows: list[Row] = []
    adapters: list[AdapterSetup] = []
    place_of: dict[int, int] = {}
    for numbers, plan in parts:
        place_of |= {
            number: len(rows) + place for number, place in zip(numbers, plan.place, strict=True)
        }
        rows += plan.rows
        adapters += plan.adapters
    place = tuple(place_of[number] for number in range(len(place_of)))
    stage = Stage(plan.stages[0].entry, tuple(range(len(rows))), (), segments_of(adapters))
    return Plan(tuple(rows), place, Packing(tuple(map(len, rows))), (stage,))
