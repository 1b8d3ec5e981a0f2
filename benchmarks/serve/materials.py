"""The material that the servers load, written by a process of its own."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks import report
from benchmarks.report import ERROR_TAIL
from benchmarks.serve.contenders import Place
from benchmarks.serve.names import TASKS
from benchmarks.serve.servers import ServerError

HERE = Path(__file__).resolve().parent
LIMIT_S = 900.0


def write(
    place: Place,
    *,
    shape: str = "distilbert",
    n_tasks: int,
    tasks_in: str = TASKS,
    classifiers: int = 0,
    seed: int = 0,
) -> None:
    """Write what is not there yet.

    Raises:
        ServerError: It could not be written.
    """
    report.progress(f"writing {n_tasks} tasks")
    command = [sys.executable, "-P", str(HERE / "material.py"), str(place.folder)]
    command += ["--shape", shape, "--tasks", str(n_tasks), "--tasks-in", tasks_in]
    command += ["--classifiers", str(classifiers), "--seed", str(seed)]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        timeout=LIMIT_S,
        cwd=tempfile.gettempdir(),
    )
    if done.returncode != 0:
        raise ServerError(f"nothing to load was written: {done.stderr[-ERROR_TAIL:].strip()}")


def task_bytes(folder: Path) -> int:
    """Return the bytes of a task's weights."""
    return sum(file.stat().st_size for file in folder.glob("*.safetensors"))
