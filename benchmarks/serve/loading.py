"""A server under load: the generator's process, and what it and others took meanwhile."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.report import ERROR_TAIL
from benchmarks.serve import processes
from benchmarks.serve.generator import Spec
from benchmarks.serve.schedule import OK, Outcome, Record, summarise
from benchmarks.serve.servers import Server, ServerError
from benchmarks.speed import load

HERE = Path(__file__).resolve().parent
PAUSE_S = 0.5
SPARE_S = 60.0
"""How much longer than it should a generator may take until it is given up."""

MARKER = '"label'
"""What every good answer of every server here contains."""

Requests = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Loaded:
    """One run of the generator.

    Attributes:
        outcome: What was counted.
        records: Of each request.
        others_share: The part of all processors that programs took which had no part in it.
        server_cpu: Processor time of the server, in seconds for each second.
    """

    outcome: Outcome
    records: Sequence[Record]
    others_share: float
    server_cpu: float

    def entry(self) -> dict[str, Any]:
        """Return it for the results."""
        return self.outcome.entry() | {
            "others_share": self.others_share,
            "server_cpu": self.server_cpu,
        }

    def good_s(self) -> list[float]:
        """Return the latencies of good answers.

        Raises:
            ServerError: There is none.
        """
        found = [record.latency_s for record in self.records if record.status == OK]
        if not found:
            raise ServerError(f"no request was answered: {dict(self.outcome.statuses)}.")
        return found


class Loader:
    """Starts generators.

    Attributes:
        runs: Each run's share of other programs, for the remark below the tables.
    """

    def __init__(self, patience_s: float, grace_s: float = 10.0, pause_s: float = PAUSE_S) -> None:
        """Takes note.

        Args:
            patience_s: Longest wait before a run for other programs to fall silent.
            grace_s: How long answers are waited for after the end of a run.
            pause_s: Before each run, in any case.
        """
        self.runs: list[float] = []
        self._patience_s = patience_s
        self._grace_s = grace_s
        self._pause_s = pause_s

    def open_loop(
        self,
        server: Server,
        requests: Requests,
        per_s: float,
        *,
        seconds: float,
        warmup_s: float,
        grace_s: float | None = None,
    ) -> Loaded:
        """Send requests at a constant rate.

        Args:
            server: Gets them.
            requests: Path and body of each.
            per_s: How many a second.
            seconds: How long.
            warmup_s: Of these, the part that does not count.
            grace_s: How long answers are waited for after the end; as everywhere when None.

        Raises:
            ServerError: The server or the generator ended.
        """
        spec = Spec(
            *(server.port, requests, seconds, per_s),
            grace_s=self._grace_s if grace_s is None else grace_s,
            marker=MARKER,
        )
        return self._run(server, spec, warmup_s)

    def closed_loop(
        self, server: Server, requests: Requests, in_flight: int, seconds: float, warmup_s: float
    ) -> Loaded:
        """Keep so many requests under way.

        Raises:
            ServerError: Likewise.
        """
        spec = Spec(
            *(server.port, requests, seconds),
            in_flight=in_flight,
            grace_s=self._grace_s,
            marker=MARKER,
        )
        return self._run(server, spec, warmup_s)

    def each(
        self, server: Server, requests: Requests, in_flight: int = 1, pause_s: float = 0.0
    ) -> Loaded:
        """Send each request once, the next one after an answer.

        Raises:
            ServerError: Likewise.
        """
        spec = Spec(
            *(server.port, requests, 600.0),
            in_flight=in_flight,
            pause_s=pause_s,
            n=len(requests),
            grace_s=self._grace_s,
            marker=MARKER,
        )
        return self._run(server, spec, 0.0)

    def _run(self, server: Server, spec: Spec, warmup_s: float) -> Loaded:
        load.wait_until_quiet(self._pause_s, self._patience_s)
        before, server_before = load.busy_s(), processes.cpu_s(server.pid)
        started = time.perf_counter()
        found = run_generator(spec)
        wall_s = time.perf_counter() - started
        server.check_alive()
        server_cpu_s = processes.cpu_s(server.pid) - server_before
        own_cpu_s = server_cpu_s + found["process_cpu_s"]
        others = load.others_share(before, load.busy_s(), own_cpu_s, wall_s)
        self.runs.append(others)
        records = [Record(*entry) for entry in found["records"]]
        seconds = spec.seconds if spec.n is None else found["wall_s"]
        outcome = summarise(
            records,
            per_s=len(records) / seconds if spec.per_s is None else spec.per_s,
            seconds=seconds,
            warmup_s=warmup_s,
            cpu_s=found["cpu_s"],
        )
        return Loaded(outcome, records, others, server_cpu_s / found["wall_s"])


def run_generator(spec: Spec) -> dict[str, Any]:
    """Run a generator's process to its end.

    Raises:
        ServerError: It failed, or took far too long.
    """
    with tempfile.TemporaryDirectory() as scratch:
        told, found = Path(scratch) / "spec.json", Path(scratch) / "found.json"
        told.write_text(json.dumps(asdict(spec)), encoding="utf-8")
        command = [sys.executable, "-P", str(HERE / "generator.py"), str(told), str(found)]
        try:
            done = subprocess.run(
                command,
                capture_output=True,
                text=True,
                check=False,
                timeout=spec.seconds + spec.grace_s + SPARE_S,
            )
        except subprocess.TimeoutExpired:
            raise ServerError("the generator did not end in time.") from None
        if done.returncode != 0:
            raise ServerError(f"the generator failed: {done.stderr[-ERROR_TAIL:].strip()}")
        results: dict[str, Any] = json.loads(found.read_text(encoding="utf-8"))
        return results
