"""Many adapters in one model: what adding and choosing one costs."""

from __future__ import annotations

import random
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from polyhead.bench.timing import seconds_of
from polyhead.errors import InputError
from polyhead.machine import free_memory, resident_memory
from polyhead.model import DistilBertModelWithHeads

__all__ = ["MIXED_KINDS", "N_MIXED", "ResidentCost", "Residents"]

N_MIXED: Final = 32
"""Adapters that meet in each batch."""

MIXED_KINDS: Final = ("double_seq_bn", "lora", "ia3")
"""What they are, besides the adapter that is measured."""

_N_TIMED: Final = 10
"""The first and the last that many adds are told, by their medians."""

_N_CHOICES, _CHOICE_ROUNDS = 1000, 5


@dataclass(frozen=True)
class ResidentCost:
    """What adapters cost that are resident.

    Attributes:
        n_adapters: How many there are.
        add_first_s: Median time of adding each of the first ten.
        add_last_s: Likewise of the last ten.
        adapter_bytes: The weights of one.
        resident_bytes: By how much the process grew for each; None where the system does not tell.
        choose_s: Median time in which a name leads to its adapter.
    """

    n_adapters: int
    add_first_s: float
    add_last_s: float
    adapter_bytes: int
    resident_bytes: int | None
    choose_s: float


class Residents:
    """The adapters of a model that is measured.

    Attributes:
        mixed: Names of `N_MIXED` adapters, kinds in turns.
        names: Names of the many.
        cost: Of these.
    """

    def __init__(self, model: DistilBertModelWithHeads, adapter: str, n: int, seed: int) -> None:
        """Adds them to `model`.

        Args:
            model: Gets them.
            adapter: The config string of the many.
            n: How many.
            seed: Decides which are chosen, where choosing is timed.

        Raises:
            ConfigError: The config is not understood or does not fit the encoder.
            UnknownKindError: No installed plugin provides that kind.
            InputError: There is no memory for so many.
        """
        self.mixed = [f"mixed{number}" for number in range(N_MIXED)]
        kinds = (adapter, *MIXED_KINDS)
        for number, name in enumerate(self.mixed):
            model.add_adapter(name, kinds[number % len(kinds)])
        n_bytes = _bytes_of(model, self.mixed[0])
        _check_memory(n, n_bytes)
        self.names = [f"resident{number}" for number in range(n)]
        before = resident_memory()
        add_s = [seconds_of(partial(model.add_adapter, name, adapter)) for name in self.names]
        after = resident_memory()
        model.eval()
        self.cost = ResidentCost(
            n,
            statistics.median(add_s[:_N_TIMED]),
            statistics.median(add_s[-_N_TIMED:]),
            n_bytes,
            None if before is None or after is None else (after - before) // n,
            _choose_s(model, self.names, seed),
        )

    def drawn(self, n: int, seed: int) -> list[str]:
        """`n` of the many, each drawn at random."""
        return random.Random(seed).choices(self.names, k=n)  # noqa: S311 - no secret


def _bytes_of(model: DistilBertModelWithHeads, name: str) -> int:
    weights = model.adapters[name].parameters()
    return sum(weight.numel() * weight.element_size() for weight in weights)


def _check_memory(n: int, n_bytes: int) -> None:
    free = free_memory()
    if free is not None and n * n_bytes > free:
        raise InputError(
            f"{n} adapters take {n * n_bytes / 1e9:.1f} GB, and {free / 1e9:.1f} GB of memory are "
            f"free; {free // n_bytes} would fit."
        )


def _choose_s(model: DistilBertModelWithHeads, names: Sequence[str], seed: int) -> float:
    """The median time of one choice, over rounds of many."""
    drawn = random.Random(seed).choices(names, k=_N_CHOICES)  # noqa: S311 - no secret

    def choose() -> None:
        for name in drawn:
            model.adapters_of(name)

    return statistics.median(seconds_of(choose) for _ in range(_CHOICE_ROUNDS)) / _N_CHOICES
