"""How many texts a second: the same texts bare, with one adapter, and with many."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal, TypeAlias

import torch

from polyhead.batch import Row
from polyhead.bench.gemm import GemmPeak, flops_per_token
from polyhead.bench.residents import Residents
from polyhead.bench.timing import seconds_of
from polyhead.composition import AdapterSetup
from polyhead.model import BATCH_TOKENS, DistilBertModelWithHeads, HeadCall
from polyhead.routing import token_batches

__all__ = ["Case", "Throughput", "ThroughputRounds"]

Case: TypeAlias = Literal["bare", "one", "mixed", "resident"]


@dataclass(frozen=True)
class Throughput:
    """How fast texts were computed under some adapters.

    Attributes:
        case: "bare", all with "one" adapter, "mixed" ones in each batch, or drawn from the many
            that are "resident".
        n_adapters: How many different ones act.
        median_s: For all texts.
        texts_per_s: Texts a second.
        tokens_per_s: Tokens a second; there is no padding among them.
        share_of_peak: The rate of the linear layers' operations, as a share of what the machine's
            products reach.
    """

    case: Case
    n_adapters: int
    median_s: float
    texts_per_s: float
    tokens_per_s: float
    share_of_peak: float


class ThroughputRounds:
    """The same texts under several adapters, in turns."""

    def __init__(
        self,
        model: DistilBertModelWithHeads,
        head: str,
        rows: Sequence[Row],
        residents: Residents,
        seed: int,
    ) -> None:
        """Cuts the texts into batches, as a call with all of them does.

        Args:
            model: Computes them.
            head: The head that answers.
            rows: The texts.
            residents: The model's adapters.
            seed: Decides which of the many each text has.
        """
        self._model = model
        self._rows = rows
        self._batches = token_batches([len(row) for row in rows], BATCH_TOKENS)
        n = len(rows)
        place = {p: number for batch in self._batches for number, p in enumerate(batch)}
        mixed = residents.mixed
        setups: Mapping[Case, Sequence[AdapterSetup]] = {
            "bare": [None] * n,
            "one": [residents.names[0]] * n,
            "mixed": [mixed[place[number] % len(mixed)] for number in range(n)],
            "resident": residents.drawn(n, seed),
        }
        self._setups = setups
        self._calls = {case: self._calls_of(head, chosen) for case, chosen in setups.items()}
        self._seconds: dict[Case, list[float]] = {case: [] for case in setups}

    def warm_up(self) -> None:
        """Computes the smallest batch once in every way."""
        for calls in self._calls.values():
            self._compute(calls[-1:])

    def round(self) -> None:
        """Computes all texts in every way, each round beginning with another."""
        cases = list(self._calls)
        first = len(self._seconds[cases[0]]) % len(cases)
        for case in (*cases[first:], *cases[:first]):
            self._seconds[case].append(seconds_of(partial(self._compute, self._calls[case])))

    def results(self, peak: GemmPeak) -> tuple[Throughput, ...]:
        """The medians of all rounds so far."""
        return tuple(self._result(case, peak) for case in self._calls)

    def _result(self, case: Case, peak: GemmPeak) -> Throughput:
        median_s = statistics.median(self._seconds[case])
        tokens_per_s = sum(map(len, self._rows)) / median_s
        return Throughput(
            case,
            len(set(self._setups[case]) - {None}),
            median_s,
            len(self._rows) / median_s,
            tokens_per_s,
            tokens_per_s * flops_per_token(self._model.shape) / peak.flops_per_s,
        )

    def _calls_of(self, head: str, setups: Sequence[AdapterSetup]) -> list[HeadCall]:
        return [
            HeadCall(
                head,
                tuple(self._rows[place] for place in batch),
                tuple(setups[place] for place in batch),
            )
            for batch in self._batches
        ]

    def _compute(self, calls: Sequence[HeadCall]) -> None:
        with torch.inference_mode():
            for call in calls:
                self._model.compute([call])
