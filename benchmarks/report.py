"""What every benchmark here shares: facts about the machine, fresh processes, result files."""

from __future__ import annotations

import datetime as dt
import json
import os
import platform
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ERROR_TAIL = 2000


class Finished(NamedTuple):
    """A process that ended well.

    Attributes:
        wall_s: Seconds from start to end.
        cpu_s: Seconds of processor time, over all its threads.
        stdout: What it printed.
    """

    wall_s: float
    cpu_s: float
    stdout: str


def cpu_count() -> int:
    """Return how many CPUs this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def cpu_model() -> str:
    """Return the processor's name as the system reports it."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def installed(name: str) -> str | None:
    """Return the version of an installed distribution, without importing it."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def surroundings() -> dict[str, object]:
    """Return what a reader needs to judge the figures: machine, versions and date."""
    return {
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
        "cpu": cpu_model(),
        "cores": cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "torch": installed("torch"),
        "polyhead": installed("polyhead"),
    }


def run_process(
    command: Sequence[str], *, cwd: Path, environment: Mapping[str, str] | None = None
) -> Finished:
    """Run a command to its end.

    Args:
        command: Program and arguments.
        cwd: Working folder; outside the repository, so that none of its folders is importable.
        environment: Variables to set on top of this process's.

    Returns:
        The times it took and its standard output.

    Raises:
        RuntimeError: The command failed; the message quotes the end of what it printed.
    """
    variables = os.environ | dict(environment or {})
    cpu_before = children_cpu_s()
    started = time.perf_counter()
    done = subprocess.run(
        command, cwd=cwd, env=variables, capture_output=True, text=True, check=False
    )
    wall_s = time.perf_counter() - started
    if done.returncode != 0:
        printed = (done.stdout + done.stderr)[-ERROR_TAIL:]
        raise RuntimeError(f"{list(command)} exited with {done.returncode}:\n{printed}")
    return Finished(wall_s, children_cpu_s() - cpu_before, done.stdout)


def children_cpu_s() -> float:
    """Return the processor seconds of all ended child processes."""
    times = os.times()
    return times.children_user + times.children_system


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Format a Markdown table; the first column is text, the others are numbers."""
    rules = ["---", *("---:" for _ in header[1:])]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (header, rules, *rows))


def describe(facts: Mapping[str, object]) -> str:
    """Format the surroundings as one sentence for below a table."""
    return (
        f"{facts['date']}, {facts['cpu']}, {facts['cores']} cores, {facts['system']}, "
        f"Python {facts['python']}, torch {facts['torch']}, polyhead {facts['polyhead']}."
    )


def write(
    folder: Path, results: Mapping[str, object], markdown: str, name: str = "results"
) -> None:
    """Write `results.json` and `results.md`, or files of another name, each in one move."""
    contents = {f"{name}.json": json.dumps(results, indent=2), f"{name}.md": markdown}
    for file, content in contents.items():
        partial = folder / f"{file}.partial"
        partial.write_text(content.rstrip() + "\n", encoding="utf-8")
        partial.replace(folder / file)


def progress(message: str) -> None:
    """Tell the person who waits what is being measured."""
    print(message, file=sys.stderr, flush=True)
