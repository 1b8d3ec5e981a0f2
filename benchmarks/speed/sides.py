"""The sides of a benchmark: a process each, which prepares and runs what it is told to."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Self

from benchmarks.report import ERROR_TAIL

if TYPE_CHECKING:
    from types import TracebackType

HERE = Path(__file__).resolve().parent
OURS = "polyhead"
PEERS = {
    "transformers": ("torch", "transformers"),
    "onnxruntime": ("torch", "transformers", "onnx", "onnxruntime"),
    "adapters": ("torch", "transformers", "adapters"),
    "peft": ("torch", "transformers", "peft"),
}
"""The other sides, and the distributions that each needs."""

SIDES = (OURS, *PEERS)
CHECKPOINT_NEEDS = ("torch", "transformers", "adapters")
REQUIREMENTS = "benchmarks/peers-requirements.txt"


class SideError(RuntimeError):
    """A side could not do what it was told to; the message says why."""


@dataclass(frozen=True)
class Answer:
    """What a side says of a run.

    Attributes:
        figures: Seconds of each call, or the figures that the run returned.
        cpu_s: Processor time of all its threads.
    """

    figures: tuple[float, ...]
    cpu_s: float


class Side:
    """One process that answers."""

    def __init__(self, name: str, command: Sequence[str], environment: Mapping[str, str]) -> None:
        """Start it, outside the repository, so that none of its folders is importable."""
        self._name = name
        self._printed: IO[str] = tempfile.TemporaryFile(  # noqa: SIM115 - as long as the process
            "w+", encoding="utf-8", errors="replace"
        )
        self._process = subprocess.Popen(
            command,
            cwd=tempfile.gettempdir(),
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._printed,
            text=True,
            encoding="utf-8",
        )

    def prepare(
        self, key: str, spec: Mapping[str, Any], rows: Sequence[Sequence[int]]
    ) -> dict[str, Any]:
        """Make something ready and run it once.

        Returns:
            `seconds`, `logits` of each row or None, and `facts`.

        Raises:
            SideError: It cannot.
        """
        return self._ask({"op": "prepare", "key": key, "spec": spec, "rows": rows})

    def run(self, key: str, calls: int = 1) -> Answer:
        """Run what was prepared.

        Args:
            key: What it was prepared as.
            calls: How often in a row; of several the first is not kept.

        Raises:
            SideError: It failed.
        """
        found = self._ask({"op": "run", "key": key, "calls": calls})
        return Answer(tuple(found["figures"]), found["cpu_s"])

    def close(self) -> None:
        """End the process."""
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with suppress(BrokenPipeError):  # it has ended before
                    stream.close()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._printed.close()

    def _ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None  # noqa: S101 - they were asked for
        assert self._process.stdout is not None  # noqa: S101 - likewise
        try:
            print(json.dumps(request), file=self._process.stdin, flush=True)
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise SideError(f"the side of {self._name} ended: {self._last_words()}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise SideError(f"{request['key']}: {answer['error']}")
        return answer

    def _last_words(self) -> str:
        self._printed.seek(0)
        return self._printed.read()[-ERROR_TAIL:].strip() or "it said nothing"


class Sides:
    """All sides of a run, each started when it is first asked for."""

    def __init__(
        self, *, peer_python: Path | None, folder: Path, threads: int, device: str = "cpu"
    ) -> None:
        """Nothing is started yet.

        Args:
            peer_python: Python of the peers' environment.
            folder: Of the checkpoint; sides may write there.
            threads: For each of them.
            device: "cuda" leaves the peers' libraries free to see it.
        """
        self._peer_python = peer_python
        self._folder = folder
        self._threads = threads
        self._device = device
        self._started: dict[str, Side] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for side in self._started.values():
            side.close()

    def __getitem__(self, name: str) -> Side:
        """Return the side of that name, started."""
        if name not in self._started:
            python = sys.executable if name == OURS else str(self._peer_python)
            command = [python, "-P", str(HERE / f"{name}_side.py")]
            command += ["--folder", str(self._folder), "--threads", str(self._threads)]
            self._started[name] = Side(name, command, environment(self._threads))
        return self._started[name]


def environment(threads: int) -> dict[str, str]:
    """Return the variables that every side runs with."""
    return os.environ | {"OMP_NUM_THREADS": str(threads), "HF_HUB_OFFLINE": "1"}


def peer_versions(python: Path, needed: Sequence[str]) -> dict[str, str]:
    """Return the versions of the distributions that the peers' environment must have.

    Raises:
        SideError: There is no such Python, or it lacks one of them.
    """
    script = (
        "import json, platform, sys\n"
        "from importlib.metadata import version, PackageNotFoundError\n"
        "found = {'python': platform.python_version()}\n"
        "for name in sys.argv[1:]:\n"
        "    try: found[name] = version(name)\n"
        "    except PackageNotFoundError: found[name] = None\n"
        "print(json.dumps(found))"
    )
    try:
        done = subprocess.run(
            [str(python), "-P", "-c", script, *needed],
            capture_output=True,
            text=True,
            check=True,
            cwd=tempfile.gettempdir(),
        )
        found: dict[str, str | None] = json.loads(done.stdout)
    except (OSError, subprocess.CalledProcessError, ValueError) as error:
        raise SideError(
            f"{python} is no Python that runs ({error}); make the peers' environment with "
            f"{REQUIREMENTS} and name its python."
        ) from None
    missing = [name for name in needed if found[name] is None]
    if missing:
        raise SideError(
            f"the environment of {python} has no {', '.join(missing)}; install {REQUIREMENTS} "
            "there."
        )
    return {name: version for name, version in found.items() if version is not None}


def write_checkpoint(python: Path, folder: Path) -> None:
    """Write the random checkpoint and adapter that all sides load.

    Raises:
        SideError: The peers could not.
    """
    done = subprocess.run(
        [str(python), "-P", str(HERE / "checkpoint_side.py"), str(folder)],
        capture_output=True,
        text=True,
        check=False,
        cwd=tempfile.gettempdir(),
        env=environment(1),
    )
    if done.returncode != 0:
        raise SideError(f"no checkpoint could be written: {done.stderr[-ERROR_TAIL:].strip()}")
