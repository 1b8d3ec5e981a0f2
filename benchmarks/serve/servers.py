"""Servers as processes: started, waited for, asked, ended with all that they started."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import IO, Any, Self

from benchmarks.report import ERROR_TAIL

HOST = "127.0.0.1"
START_S = 300.0
END_S = 5.0
LOOK_S = 0.02


class ServerError(RuntimeError):
    """A server did not start, or did not do what it was told; the message says why."""


@dataclass(frozen=True)
class Recipe:
    """How a server is started, and when it is ready.

    Attributes:
        name: What messages call it.
        command: Program and arguments; `{port}` stands for the port.
        ready_path: Answers 200 when it is ready.
        environment: Variables on top of this process's.
    """

    name: str
    command: Sequence[str]
    ready_path: str = "/readyz"
    environment: Mapping[str, str] = field(default_factory=dict)


class Server:
    """One that runs, within a `with`.

    Attributes:
        port: Where it listens.
        pid: Of the process that was started.
        ready_s: From starting it to its first answer that it is ready.
    """

    def __init__(self, recipe: Recipe) -> None:
        self._recipe = recipe
        self._printed: IO[str] = tempfile.TemporaryFile(  # noqa: SIM115  (as long as the process)
            "w+", encoding="utf-8", errors="replace"
        )
        self.port = free_port()
        self.ready_s = 0.0
        started = time.perf_counter()
        self._process = subprocess.Popen(
            [part.replace("{port}", str(self.port)) for part in recipe.command],
            cwd=tempfile.gettempdir(),  # none of the repository's folders is importable there
            env=os.environ | dict(recipe.environment),
            stdin=subprocess.DEVNULL,
            stdout=self._printed,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # so that it can be ended with all that it started
        )
        self.pid = self._process.pid
        try:
            self._wait_until_ready(started)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End it and all that it started: with a request first, by force after that."""
        for number, wait_s in ((signal.SIGTERM, END_S), (signal.SIGKILL, END_S)):
            with suppress(ProcessLookupError):
                os.killpg(self.pid, number)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=wait_s)
        self._printed.close()

    def check_alive(self) -> None:
        """Raise where it has ended.

        Raises:
            ServerError: It has; the message quotes the end of what it printed.
        """
        if self._process.poll() is not None:
            raise ServerError(
                f"{self._recipe.name} ended with {self._process.returncode}: {self.last_words()}"
            )

    def last_words(self) -> str:
        """Return the end of what it printed."""
        self._printed.seek(0)
        return self._printed.read()[-ERROR_TAIL:].strip() or "it said nothing"

    def call(
        self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, Any]:
        """Ask it once; return status and the answer, read as JSON where it is that."""
        request = urllib.request.Request(
            f"http://{HOST}:{self.port}{path}",
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json", **(headers or {})},
            method=method,
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310  (it is http)
                return answer.status, _read(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, _read(error.read())

    def _wait_until_ready(self, started: float) -> None:
        while True:
            self.check_alive()
            with suppress(OSError):
                status, _ = self.call("GET", self._recipe.ready_path)
                if status == 200:  # noqa: PLR2004  (HTTP)
                    self.ready_s = time.perf_counter() - started
                    return
            if time.perf_counter() - started > START_S:
                raise ServerError(
                    f"{self._recipe.name} was not ready after {START_S:.0f} s: {self.last_words()}"
                )
            time.sleep(LOOK_S)


def _read(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return body.decode(errors="replace")


def free_port() -> int:
    """Return a port that nobody uses now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port
