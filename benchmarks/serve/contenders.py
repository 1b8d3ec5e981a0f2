"""The servers that are compared: how each is started, and how it is asked."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.serve.names import CLASSIFIERS, MODEL, TASKS, task_name
from benchmarks.serve.servers import Recipe
from benchmarks.serve.workload import Ask

HERE = Path(__file__).resolve().parent
OURS = "polyhead"
FAKE = "fake"
ADMIN_KEY = "benchmark-admin-key"
Asking = Callable[[str, str], tuple[str, object]]


@dataclass(frozen=True)
class Place:
    """What the servers are started with.

    Attributes:
        folder: Of the material.
        n_tasks: How many tasks.
        threads: Of each server.
        peer_python: Of the environment with `adapters` and `litserve`; None where there is none.
        infinity: The program of infinity; None where there is none.
        n_infinity: Models that infinity loads.
        tasks_in: Name of the folder of tasks.
    """

    folder: Path
    n_tasks: int
    threads: int
    peer_python: Path | None = None
    infinity: Path | None = None
    n_infinity: int = 8
    tasks_in: str = TASKS

    @property
    def environment(self) -> dict[str, str]:
        """Variables of each server."""
        return {
            "OMP_NUM_THREADS": str(self.threads),
            "HF_HUB_OFFLINE": "1",
            "TOKENIZERS_PARALLELISM": "false",
            "DO_NOT_TRACK": "1",
        }


@dataclass(frozen=True)
class Contender:
    """A server that takes part.

    Attributes:
        name: What tables call it.
        recipe: How it is started.
        asking: From a task's name and a text to path and body.
        n_tasks: How many of the tasks it serves.
        serves_all: Whether these are all tasks, with their adapters.
        note: What a reader must know of it.
    """

    name: str
    recipe: Recipe
    asking: Asking
    n_tasks: int
    serves_all: bool
    note: str

    def requests(self, asks: Sequence[Ask]) -> list[tuple[str, str]]:
        """Return path and JSON body of each; tasks that it does not serve fall on those it does."""
        found = []
        for ask in asks:
            path, body = self.asking(task_name(ask.task % self.n_tasks), ask.text)
            found.append((path, json.dumps(body)))
        return found


def polyhead(place: Place, options: Sequence[str] = ()) -> Contender:
    """Our server."""
    program = Path(sys.executable).parent / "polyhead"
    command = [str(program), "serve", "--backbone", str(place.folder / MODEL)]
    command += ["--tasks", str(place.folder / place.tasks_in), "--port", "{port}", *options]
    environment = place.environment | {"POLYHEAD_ADMIN_KEYS": ADMIN_KEY}
    return Contender(
        OURS,
        Recipe(OURS, command, "/readyz", environment),
        lambda task, text: (f"/v1/tasks/{task}/predict", {"inputs": [text]}),
        place.n_tasks,
        serves_all=True,
        note="`polyhead serve`: all tasks, each with its `seq_bn` and its head",
    )


def memory_options(n_bytes: int) -> list[str]:
    """Return the options with which our server keeps tasks of at most so many bytes."""
    return ["--max-resident", str(n_bytes)]


def fake(place: Place) -> Contender:
    """A server that computes nothing, to try the command."""
    script = [sys.executable, "-P", str(HERE / "fake_server.py"), "--service-s", "0.004"]
    command = [*script, "--port", "{port}"]
    return Contender(
        FAKE,
        Recipe(FAKE, command),
        lambda task, text: (f"/v1/tasks/{task}/predict", {"inputs": [text]}),
        place.n_tasks,
        serves_all=False,
        note="computes nothing",
    )


def adapters(place: Place, way: str, note: str) -> Contender:
    """FastAPI before one model of `adapters`."""
    return Contender(
        f"FastAPI + adapters, {way}",
        _script(place, "adapters_server.py", "/readyz", "--way", way),
        lambda task, text: (f"/tasks/{task}", {"text": text}),
        place.n_tasks,
        serves_all=True,
        note=note,
    )


def litserve(place: Place) -> Contender:
    """LitServe before one encoder of transformers with a head for each task."""
    return Contender(
        "LitServe + transformers",
        _script(place, "litserve_server.py", "/health"),
        lambda task, text: ("/predict", {"task": task, "text": text}),
        place.n_tasks,
        serves_all=False,
        note="one encoder and a head for each task, no adapters: less to compute than these tasks; "
        "padded batches of at most 32, waited for 10 ms",
    )


def infinity(place: Place) -> Contender:
    """The server infinity with whole models, as many as were asked for."""
    n_tasks = min(place.n_infinity, place.n_tasks)
    command = [str(place.infinity), "v2", "--engine", "torch", "--device", "cpu"]
    for number in range(n_tasks):
        name = task_name(number)
        command += ["--model-id", str(place.folder / CLASSIFIERS / name)]
        command += ["--served-model-name", name]
    # BetterTransformer, its default, is in no release of optimum that goes with this transformers
    command += ["--no-bettertransformer", "--no-model-warmup", "--log-level", "warning"]
    command += ["--host", "127.0.0.1", "--port", "{port}"]
    return Contender(
        "infinity, classify",
        Recipe("infinity", command, "/health", place.environment),
        lambda task, text: ("/classify", {"model": task, "input": [text]}),
        n_tasks,
        serves_all=False,
        note=f"a whole model for each task, so {n_tasks} tasks of {place.n_tasks}; no adapters",
    )


def lineup(place: Place) -> dict[str, Contender]:
    """Return all that can take part with what is there, by the names of the options."""
    found = {OURS: polyhead(place)}
    if place.peer_python is not None:
        found |= {
            "adapters": adapters(
                place, "lock", "one request at a time makes its adapter and head the active ones"
            ),
            "adapters-context": adapters(
                place, "context", "two threads of torch's one each, `AdapterSetup` in each"
            ),
            "adapters-queue": adapters(
                place, "queue", "texts of one task that wait together are one padded batch"
            ),
            "litserve": litserve(place),
        }
    if place.infinity is not None:
        found["infinity"] = infinity(place)
    return found


def _script(place: Place, file: str, ready_path: str, *options: str) -> Recipe:
    command = [str(place.peer_python), "-P", str(HERE / file)]
    command += ["--model", str(place.folder / MODEL), "--tasks", str(place.n_tasks)]
    command += ["--threads", str(place.threads), "--port", "{port}", *options]
    return Recipe(file, command, ready_path, place.environment)
