"""How long one text takes, by its length, beside the bare products of as many tokens."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import torch

from polyhead.bench.bare_products import BareProducts
from polyhead.bench.timing import p95, seconds_of
from polyhead.bench.workload import rows
from polyhead.model import DistilBertModelWithHeads, HeadCall

__all__ = ["LENGTHS", "Latency", "LatencyRounds"]

LENGTHS: Final = (8, 32, 128, 512)
"""Tokens of the texts."""

_MOST_CALLS, _FEWEST_CALLS, _CALL_TOKENS = 20, 2, 1024
"""Calls in a round: as many as make about so many tokens, in these bounds."""


@dataclass(frozen=True)
class Latency:
    """How long one text takes with one adapter.

    Attributes:
        n_tokens: Its length.
        n_calls: How many calls were timed.
        median_s: The median of them.
        p95_s: What 95 % of them did not exceed.
        products_s: The median time of all linear layers' products of as many tokens, by the fastest
            kernel: what no encoder can be below.
        times_products: The median as a multiple of that; what is above 1 is attention, norms, the
            adapter, the head and Python.
    """

    n_tokens: int
    n_calls: int
    median_s: float
    p95_s: float
    products_s: float
    times_products: float


class LatencyRounds:
    """Single texts of several lengths, and bare products of as many tokens, in turns."""

    def __init__(
        self,
        model: DistilBertModelWithHeads,
        head: str,
        adapter: str,
        dtype: torch.dtype,
        *,
        lengths: Sequence[int] = LENGTHS,
    ) -> None:
        """Prepares the texts.

        Args:
            model: Computes them.
            head: The head that answers.
            adapter: The adapter of all of them.
            dtype: Of the bare products.
            lengths: Tokens of each; those that are too long for the encoder are left out.
        """
        self._model = model
        fitting = [length for length in lengths if length <= model.shape.max_positions]
        self._texts = [
            _Text(len(row), HeadCall(head, (row,), (adapter,)))
            for row in rows(fitting, model.shape.vocab_size)
        ]
        self._products = BareProducts(model.shape, dtype)

    def round(self) -> None:
        """Computes every text some more times, and the products of as many tokens."""
        with torch.inference_mode():
            for text in self._texts:
                compute = partial(self._model.compute, [text.call])
                compute()
                text.seconds += [seconds_of(compute) for _ in range(text.calls_in_a_round)]
                found = self._products.seconds(text.n_tokens, text.calls_in_a_round)
                for kernel, seconds in found.items():
                    text.product_seconds.setdefault(kernel, []).extend(seconds)

    def results(self) -> tuple[Latency, ...]:
        """The medians of all rounds so far, the shortest text first."""
        return tuple(text.result() for text in self._texts)


@dataclass
class _Text:
    """One text, and how long it took."""

    n_tokens: int
    call: HeadCall
    seconds: list[float] = field(default_factory=list)
    product_seconds: dict[str, list[float]] = field(default_factory=dict)

    @property
    def calls_in_a_round(self) -> int:
        return min(_MOST_CALLS, max(_FEWEST_CALLS, _CALL_TOKENS // self.n_tokens))

    def result(self) -> Latency:
        median_s = statistics.median(self.seconds)
        products_s = min(map(statistics.median, self.product_seconds.values()))
        return Latency(
            self.n_tokens,
            len(self.seconds),
            median_s,
            p95(self.seconds),
            products_s,
            median_s / products_s,
        )
