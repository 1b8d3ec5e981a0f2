"""A process that loads a server: at a constant rate, or with some requests always under way.

    python -P benchmarks/serve/generator.py SPEC.json RESULT.json

At a constant rate the schedule is kept whatever the server does (open loop), and latency counts
from when a request was due: a server that makes the generator wait gets no better figures for it.
It needs nothing but the standard library, and takes little time of the processors, which it shares
with the server.
"""

from __future__ import annotations

import asyncio
import gc
import json
import resource
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).resolve().parents[2]))

from benchmarks.serve.http_connection import Connection, Told, post
from benchmarks.serve.schedule import BROKEN, NO_ANSWER, OK, Record, due_times

HOST = "127.0.0.1"
CONNECT_S = 10.0
MOST_IDLE_S = 3.0
"""A connection that was silent for longer is not used again: uvicorn closes such after 5 s."""

PAUSE_AFTER_BROKEN_S = 0.05
LOOK_S = 0.05


@dataclass(frozen=True)
class Spec:
    """What to do.

    Attributes:
        port: Of the server on this machine.
        requests: Path and JSON body of each; begun again where they do not suffice.
        seconds: How long requests are sent.
        per_s: Requests a second; None for a closed loop.
        in_flight: How many are always under way in a closed loop.
        pause_s: In a closed loop, between an answer and the next request.
        n: In a closed loop, requests after which to end; None for no such end.
        connections: The most at a time; a request that finds none waits, and its latency runs.
        grace_s: How long to wait for answers after the end.
        marker: What a good answer's body contains.
    """

    port: int
    requests: Sequence[tuple[str, str]]
    seconds: float
    per_s: float | None = None
    in_flight: int = 1
    pause_s: float = 0.0
    n: int | None = None
    connections: int = 512
    grace_s: float = 10.0
    marker: str = ""


class Generator:
    """One run."""

    def __init__(self, spec: Spec) -> None:
        self._spec = spec
        self._marker = spec.marker.encode()
        self._requests = [post(path, body.encode()) for path, body in spec.requests]
        self._free: list[Connection] = []
        self._n_connections = 0
        self._connections: list[Connection] = []
        self._waiting: list[tuple[bytes, Told, int]] = []
        self._records: list[Record | None] = []
        self._due_s: list[float] = []
        self._sent_s: list[float] = []
        self._start = 0.0
        self._opening: set[asyncio.Task[None]] = set()
        self.sample = ""

    async def run(self) -> list[Record]:
        """Send everything; return what became of it."""
        self._start = time.perf_counter()
        if self._spec.per_s is None:
            await self._closed_loop()
        else:
            await self._open_loop(due_times(self._spec.per_s, self._spec.seconds))
        for task in self._opening:
            task.cancel()
        for connection in self._connections:
            connection.abort()
        await asyncio.sleep(0)  # they end in the next turn of the loop
        return [self._record_of(place) for place in range(len(self._records))]

    def _record_of(self, place: int) -> Record:
        """What became of a request; nothing yet, where the waiting is over."""
        found = self._records[place]
        if found is not None:
            return found
        due_s = self._due_s[place]
        return Record(due_s, self._sent_s[place], self._now() - due_s, NO_ANSWER)

    async def _open_loop(self, due: Sequence[float]) -> None:
        for number, due_s in enumerate(due):
            wait_s = due_s - self._now()
            if wait_s > 0:
                await asyncio.sleep(wait_s)
            elif number % 16 == 0:  # behind: answers must be read all the same
                await asyncio.sleep(0)
            self._begin(due_s)
        until = self._spec.seconds + self._spec.grace_s
        while None in self._records and self._now() < until:  # noqa: ASYNC110  (or all would tell)
            await asyncio.sleep(LOOK_S)

    async def _closed_loop(self) -> None:
        with suppress(TimeoutError):
            limit_s = self._spec.seconds + self._spec.grace_s
            async with asyncio.timeout(limit_s), asyncio.TaskGroup() as group:
                for _ in range(self._spec.in_flight):
                    group.create_task(self._one_after_the_other())

    async def _one_after_the_other(self) -> None:
        most = self._spec.n
        while self._now() < self._spec.seconds and (most is None or len(self._records) < most):
            answered: asyncio.Future[int] = asyncio.get_running_loop().create_future()
            self._begin(self._now(), answered)
            is_broken = await answered == BROKEN
            await asyncio.sleep(PAUSE_AFTER_BROKEN_S if is_broken else self._spec.pause_s)

    def _begin(self, due_s: float, answered: asyncio.Future[int] | None = None) -> None:
        """Send the next request, on a connection that is free or a new one."""
        place = len(self._records)
        self._records.append(None)
        self._due_s.append(due_s)
        self._sent_s.append(due_s)

        def told(status: int, body: bytes) -> None:
            latency_s = self._now() - due_s
            good = status != OK or self._marker in body
            sent_s = self._sent_s[place]
            self._records[place] = Record(due_s, sent_s, latency_s, status if good else BROKEN)
            if status == OK and not self.sample:
                self.sample = body.decode()
            if answered is not None and not answered.done():  # done: cancelled at the end
                answered.set_result(status)

        request = self._requests[place % len(self._requests)]
        self._waiting.append((request, told, place))
        if not self._serve_waiting() and self._n_connections < self._spec.connections:
            self._n_connections += 1
            task = asyncio.get_running_loop().create_task(self._open())
            self._opening.add(task)
            task.add_done_callback(self._opening.discard)

    def _serve_waiting(self) -> bool:
        """Give waiting requests the free connections; whether none waits any more."""
        while self._waiting and self._free:
            connection = self._free.pop()
            if connection.is_open and self._now() - connection.free_since_s > MOST_IDLE_S:
                connection.close()
            if not connection.is_open:
                self._n_connections -= 1
                continue
            self._send(connection)
        return not self._waiting

    def _send(self, connection: Connection) -> None:
        request, told, place = self._waiting.pop(0)
        self._sent_s[place] = self._now()

        def told_and_free(status: int, body: bytes) -> None:
            self._give_back(connection)
            told(status, body)
            self._serve_waiting()

        connection.send(request, told_and_free)

    async def _open(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT_S):
                _, connection = await loop.create_connection(Connection, HOST, self._spec.port)
        except (OSError, TimeoutError):
            self._n_connections -= 1
            if self._waiting:
                _, told, _ = self._waiting.pop(0)
                told(BROKEN, b"")
            return
        self._connections.append(connection)
        self._give_back(connection)
        self._serve_waiting()

    def _give_back(self, connection: Connection) -> None:
        if connection.is_open:
            connection.free_since_s = self._now()
            self._free.append(connection)
        else:
            self._n_connections -= 1

    def _now(self) -> float:
        return time.perf_counter() - self._start


def run(spec: Spec) -> dict[str, Any]:
    """Run it here; return records, processor time (also with what came before) and an answer."""
    generator = Generator(spec)
    gc.freeze()
    gc.disable()  # a pause of ours would count as the server's
    cpu_before, started = time.process_time(), time.perf_counter()
    records = asyncio.run(generator.run())
    cpu_s, wall_s = time.process_time() - cpu_before, time.perf_counter() - started
    gc.enable()
    return {
        "records": [list(asdict(record).values()) for record in records],
        "cpu_s": cpu_s,
        "process_cpu_s": time.process_time(),
        "wall_s": wall_s,
        "sample": generator.sample,
    }


def main() -> None:
    """Read what to do, do it, write what came of it."""
    spec = Spec(**json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    Path(sys.argv[2]).write_text(json.dumps(run(spec)), encoding="utf-8")


if __name__ == "__main__":
    main()
