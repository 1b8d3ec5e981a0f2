"""What it costs that a task must be read from the disk first."""

from __future__ import annotations

import statistics
from dataclasses import replace
from typing import Any

from benchmarks import report
from benchmarks.serve import materials
from benchmarks.serve.bench import Bench
from benchmarks.serve.contenders import ADMIN_KEY, Contender, memory_options, polyhead
from benchmarks.serve.names import task_name
from benchmarks.serve.servers import Server, ServerError

WARM_IN_FLIGHT = 8
STORED = "stored"
SPARE = 1.25
"""How much more memory is allowed where all tasks shall fit."""


def swapping(bench: Bench) -> dict[str, Any]:
    """Measure a request whose task is not resident, and the next one of that task, many times.

    Raises:
        ServerError: A task could not be unloaded.
    """
    n_swaps = min(bench.plan.n_swaps, bench.place.n_tasks)
    tasks = [number for number in range(n_swaps) for _ in range(2)]
    with bench.server(bench.ours) as server:
        for number in range(n_swaps):
            unload(server, task_name(number))
        found = bench.loader.each(server, bench.lone(bench.ours, tasks))
    found.good_s()
    if found.outcome.n_errors:
        raise ServerError(f"some were not answered: {dict(found.outcome.statuses)}.")
    latencies_ms = [1000 * record.latency_s for record in found.records]
    cold, warm = latencies_ms[::2], latencies_ms[1::2]
    extra_ms = [one - other for one, other in zip(cold, warm, strict=True)]
    report.progress(f"  not resident: {statistics.median(extra_ms):.1f} ms more")
    return {"extra_ms": statistics.median(extra_ms), "cold_ms": cold, "warm_ms": warm}


def stored(bench: Bench) -> dict[str, Any]:
    """Measure goodput with few of many tasks resident, beside all of them resident, in turns.

    As much is offered as is answered of a hundred tasks: with more, those refused would be of the
    tasks that are asked most, and what is left would not follow Zipf's law. Each task has been
    asked once of both servers before, so that neither reads a file for the first time.
    """
    plan = bench.plan
    materials.write(bench.place, n_tasks=plan.n_stored, tasks_in=STORED)
    n_bytes = materials.task_bytes(bench.place.folder / STORED / task_name(0))
    place = replace(bench.place, tasks_in=STORED, n_tasks=plan.n_stored)
    few = polyhead(place, memory_options(round(n_bytes * (plan.n_resident + 0.5))))
    every = polyhead(place, memory_options(round(SPARE * n_bytes * plan.n_stored)))
    goodput: dict[str, list[float]] = {"few": [], "all": []}
    per_s = bench.saturation_per_s()
    with bench.server(every, warm=False) as all_server, bench.server(few, warm=False) as few_server:
        for contender, server in ((every, all_server), (few, few_server)):
            _ask_each(bench, contender, server)
            bench.at_rate(contender, server, per_s, plan.seconds, n_tasks=plan.n_stored)
        for _ in range(plan.rounds):
            for key, contender, server in (("all", every, all_server), ("few", few, few_server)):
                loaded = bench.at_rate(
                    contender, server, per_s, plan.seconds, n_tasks=plan.n_stored
                )
                goodput[key].append(loaded.outcome.goodput_per_s)
        n_resident = {"all": resident(all_server), "few": resident(few_server)}
    medians = {key: statistics.median(rounds) for key, rounds in goodput.items()}
    return {
        "few_per_s": medians["few"],
        "all_per_s": medians["all"],
        "goodput_per_s": goodput,
        "n_stored": plan.n_stored,
        "n_resident": n_resident,
        "task_bytes": n_bytes,
    }


def unload(server: Server, task: str) -> None:
    """Make the server forget a task until it is asked for.

    Raises:
        ServerError: It does not.
    """
    headers = {"Authorization": f"Bearer {ADMIN_KEY}"}
    status, answer = server.call("POST", f"/v1/admin/tasks/{task}/unload", {}, headers)
    if status != 200:  # noqa: PLR2004  (HTTP)
        raise ServerError(f"{task} was not unloaded: {status} {answer}")


def resident(server: Server) -> int | None:
    """Return how many tasks are resident; None where the server does not tell."""
    status, answer = server.call("GET", "/v1/tasks")
    tasks = answer.get("tasks") if isinstance(answer, dict) else answer
    if status != 200 or not isinstance(tasks, list):  # noqa: PLR2004  (HTTP)
        return None
    states = [task.get("state") for task in tasks if isinstance(task, dict)]
    return states.count("resident")


def _ask_each(bench: Bench, contender: Contender, server: Server) -> None:
    """Ask every task once."""
    requests = bench.lone(contender, range(bench.plan.n_stored))
    bench.loader.each(server, requests, in_flight=WARM_IN_FLIGHT).good_s()
