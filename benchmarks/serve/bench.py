"""What all phases share: the servers that take part, the load, and figures that others build on."""

from __future__ import annotations

import itertools
import os
import statistics
import sys
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import report
from benchmarks.serve import workload
from benchmarks.serve.contenders import OURS, Contender, Place
from benchmarks.serve.loading import Loaded, Loader
from benchmarks.serve.names import task_name
from benchmarks.serve.servers import Server
from benchmarks.speed import load
from benchmarks.speed.sides import Side

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).resolve().parent
SATURATING = (1.0, 1.5, 3.0)
"""Offered load of the search for saturation, by the batch throughput."""

WARM_IN_FLIGHT = 8


@dataclass(frozen=True)
class Plan:
    """How much is measured.

    Attributes:
        rounds: Of the search for saturation, and of what is compared in turns.
        seconds: Of each point of that search, its first second apart.
        steady_s: Of the load at 70 %.
        overload_s: Of the load at 300 %.
        idle_s: Of doing nothing.
        n_texts: Of the batch throughput.
        n_lone: Texts asked alone in each round.
        n_stored: Tasks on disk where not all are resident.
        n_resident: How many then are.
        n_swaps: Tasks that are asked while not resident.
        n_starts: How often the server is started.
    """

    rounds: int = 3
    seconds: float = 12.0
    steady_s: float = 60.0
    overload_s: float = 30.0
    idle_s: float = 20.0
    n_texts: int = 512
    n_lone: int = 20
    n_stored: int = 2000
    n_resident: int = 200
    n_swaps: int = 40
    n_starts: int = 5


@dataclass
class Bench:
    """One run of the command.

    Attributes:
        place: What servers are started with.
        lineup: All that can take part.
        plan: How much is measured.
        loader: Loads servers.
        patience_s: Longest wait for a quiet machine.
        found: What the phases measured, by their names.
    """

    place: Place
    lineup: Mapping[str, Contender]
    plan: Plan
    loader: Loader
    patience_s: float
    found: dict[str, Any] = field(default_factory=dict)
    _seeds: Iterator[int] = field(default_factory=itertools.count)
    _batch_per_s: float | None = None
    _saturation_per_s: float | None = None

    @property
    def ours(self) -> Contender:
        """Our server, or what stands in for it."""
        return self.lineup[OURS]

    @contextmanager
    def server(self, contender: Contender, *, warm: bool = True) -> Iterator[Server]:
        """Run a server; with `warm` it has answered for each of its tasks."""
        report.progress(f"  starting {contender.name}")
        with Server(contender.recipe) as server:
            if warm:
                requests = self.lone(contender, range(contender.n_tasks))
                self.loader.each(server, requests, in_flight=WARM_IN_FLIGHT).good_s()
            yield server

    @contextmanager
    def model(self) -> Iterator[Side]:
        """Run the process of the model without a server."""
        command = [sys.executable, "-P", str(HERE / "model_side.py")]
        command += ["--folder", str(self.place.folder), "--threads", str(self.place.threads)]
        side = Side("the model alone", command, self.process_environment)
        try:
            yield side
        finally:
            side.close()

    @property
    def process_environment(self) -> dict[str, str]:
        """Variables of the processes that are no servers."""
        return os.environ | self.place.environment

    def requests(
        self, contender: Contender, n: int, n_tasks: int | None = None
    ) -> list[tuple[str, str]]:
        """Return requests whose texts nobody had before."""
        asks = workload.asks(n, n_tasks or self.place.n_tasks, next(self._seeds))
        return contender.requests(asks)

    def lone(self, contender: Contender, tasks: Sequence[int]) -> list[tuple[str, str]]:
        """Return a request of 30 tokens for each of these tasks, likewise."""
        return contender.requests(workload.lone_asks(tasks, next(self._seeds)))

    def at_rate(
        self,
        contender: Contender,
        server: Server,
        per_s: float,
        seconds: float,
        *,
        n_tasks: int | None = None,
        grace_s: float | None = None,
    ) -> Loaded:
        """Load a server at a constant rate; a first second is added and not counted."""
        requests = self.requests(contender, max(1, int(per_s * (seconds + 1))), n_tasks)
        loaded = self.loader.open_loop(
            server, requests, per_s, seconds=seconds + 1, warmup_s=1.0, grace_s=grace_s
        )
        outcome = loaded.outcome
        report.progress(
            f"  {contender.name}: offered {per_s:.0f}/s, answered {outcome.goodput_per_s:.1f}/s, "
            f"{100 * outcome.share_refused:.0f} % refused, {outcome.n_errors} errors, "
            f"p50 {outcome.latency_ms.get('p50', float('nan')):.0f} ms"
        )
        return loaded

    def lone_ms(self, server: Server) -> float:
        """Return the median latency of texts of 30 tokens, each asked alone, in milliseconds."""
        requests = self.lone(self.ours, [number % self.place.n_tasks for number in range(30)])
        return 1000 * statistics.median(self.loader.each(server, requests).good_s())

    def batch_spec(self) -> dict[str, Any]:
        """Return what the model alone is told for the batch throughput."""
        asks = workload.asks(self.plan.n_texts, self.place.n_tasks, next(self._seeds))
        return self.spec("answer", asks)

    def spec(self, way: str, asks: Sequence[workload.Ask]) -> dict[str, Any]:
        """Return what the model alone is told to compute, in one of its ways."""
        texts = [(task_name(ask.task), ask.text) for ask in asks]
        return {"way": way, "tasks_in": self.place.tasks_in, "asks": texts}

    def batch_per_s(self) -> float:
        """Return texts a second of the model alone; measured when first asked for."""
        if self._batch_per_s is None:
            report.progress("batch throughput of the model alone")
            seconds: list[float] = []
            with self.model() as side:
                side.prepare("batch", self.batch_spec(), [])
                for _ in range(self.plan.rounds):
                    load.wait_until_quiet(0.3, self.patience_s)
                    seconds += side.run("batch").figures
            self._batch_per_s = self.plan.n_texts / statistics.median(seconds)
            self.found["batch"] = {"texts_per_s": self._batch_per_s, "seconds": seconds}
        return self._batch_per_s

    def note_saturation(self, per_s: float) -> None:
        """Keep our saturation for the phases that build on it."""
        self._saturation_per_s = per_s

    def saturation_per_s(self) -> float:
        """Return our saturation; measured, with one round, where no phase has."""
        if self._saturation_per_s is None:
            batch = self.batch_per_s()
            with self.server(self.ours) as server:
                self._saturation_per_s = max(
                    self.at_rate(
                        self.ours, server, share * batch, self.plan.seconds
                    ).outcome.goodput_per_s
                    for share in SATURATING
                )
        return self._saturation_per_s
