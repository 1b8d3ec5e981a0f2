"""One request at a time, beside the bare forward pass; no request at all; and starting."""

from __future__ import annotations

import statistics
import time
from typing import Any

from benchmarks import report
from benchmarks.serve import processes, workload
from benchmarks.serve.bench import Bench
from benchmarks.serve.servers import Server
from benchmarks.speed import load

CALLS = 20
WAYS = ("forward", "answer")


def lone(bench: Bench) -> dict[str, Any]:
    """Measure a lone request through the server and without it, in turns, and idling."""
    http_s: list[float] = []
    bare_s: dict[str, list[float]] = {way: [] for way in WAYS}
    tasks = [number % bench.place.n_tasks for number in range(bench.plan.n_lone)]
    with bench.server(bench.ours) as server, bench.model() as side:
        idle = _idle(bench, server)
        for way in WAYS:
            side.prepare(way, bench.spec(way, workload.lone_asks([0])), [])
        for _ in range(bench.plan.rounds):
            http_s += bench.loader.each(server, bench.lone(bench.ours, tasks)).good_s()
            for way in WAYS:
                load.wait_until_quiet(0.3, bench.patience_s)
                bare_s[way] += side.run(way, calls=CALLS + 1).figures
    http_ms = 1000 * statistics.median(http_s)
    bare_ms = {way: 1000 * statistics.median(figures) for way, figures in bare_s.items()}
    report.progress(f"  lone request {http_ms:.1f} ms, bare {bare_ms['forward']:.1f} ms")
    return {
        "http_ms": http_ms,
        **{f"{way}_ms": value for way, value in bare_ms.items()},
        "added_ms": http_ms - bare_ms["forward"],
        "http_s": http_s,
        "bare_s": bare_s,
        **idle,
    }


def starting(bench: Bench) -> dict[str, Any]:
    """Measure from starting the process to its first 200 on /readyz."""
    seconds = []
    for _ in range(bench.plan.n_starts):
        load.wait_until_quiet(0.5, bench.patience_s)
        with Server(bench.ours.recipe) as server:
            seconds.append(server.ready_s)
        report.progress(f"  ready after {seconds[-1]:.2f} s")
    return {"ready_s": statistics.median(seconds), "each_s": seconds}


def _idle(bench: Bench, server: Server) -> dict[str, float]:
    load.wait_until_quiet(2.0, bench.patience_s)
    before, started = processes.cpu_s(server.pid), time.perf_counter()
    time.sleep(bench.plan.idle_s)
    wall_s = time.perf_counter() - started
    return {"idle_cpu": (processes.cpu_s(server.pid) - before) / wall_s, "idle_s": wall_s}
