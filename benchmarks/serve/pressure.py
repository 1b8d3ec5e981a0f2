"""Our server under a load that it bears, and under one that nobody could."""

from __future__ import annotations

import statistics
from typing import Any

from benchmarks.serve import processes
from benchmarks.serve.bench import Bench
from benchmarks.serve.processes import MemoryWatch
from benchmarks.speed import load

STEADY_SHARE, OVERLOAD_SHARE = 0.7, 3.0
QUIET_S = 5.0


def steady(bench: Bench) -> dict[str, Any]:
    """Measure latency at 70 % of saturation, beside that of a lone request before and after."""
    per_s = STEADY_SHARE * bench.saturation_per_s()
    with bench.server(bench.ours) as server:
        lone_ms = [bench.lone_ms(server)]
        loaded = bench.at_rate(bench.ours, server, per_s, bench.plan.steady_s)
        lone_ms.append(bench.lone_ms(server))
    return {"lone_ms": statistics.median(lone_ms), "lone_each_ms": lone_ms, **loaded.entry()}


def overload(bench: Bench) -> dict[str, Any]:
    """Measure what is answered, refused and kept in memory at 300 % of saturation.

    The memory before is that after a while at saturation: buffers grow once.
    """
    saturated = bench.saturation_per_s()
    with bench.server(bench.ours) as server:
        warm = bench.at_rate(bench.ours, server, saturated, bench.plan.seconds)
        before = processes.resident_bytes(server.pid)
        with MemoryWatch(server.pid) as watch:
            per_s = OVERLOAD_SHARE * saturated
            loaded = bench.at_rate(bench.ours, server, per_s, bench.plan.overload_s)
        load.wait_until_quiet(QUIET_S, bench.patience_s)
        after = processes.resident_bytes(server.pid)
    return {
        "saturation_per_s": saturated,
        "warm": warm.entry(),
        "memory": {"before": before, "most": watch.most, "after": after, "samples": watch.samples},
        **loaded.entry(),
    }
