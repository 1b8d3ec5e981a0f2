"""What was asked of serving, and whether it is met."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.serve.contenders import OURS
from benchmarks.speed.asked import Asked, at_least, at_most, ratio

Found = Mapping[str, Any]
"""What the phases found, by their names; those that did not run are missing."""


def figures(found: Found) -> list[Asked]:
    """Return every figure with a bound; those of phases that did not run are not measured."""
    return [*_throughput(found), *_latency(found), *_overload(found), *_rest(found)]


def best_peer(found: Found) -> dict[str, Any] | None:
    """Return the fastest other server that serves all these tasks; None where none took part."""
    sides = found.get("saturation", {}).get("sides", {})
    peers = [side for key, side in sides.items() if key != OURS and side["serves_all"]]
    return max(peers, key=lambda side: float(side["saturation_per_s"]), default=None)


def _throughput(found: Found) -> list[Asked]:
    sides = found.get("saturation", {}).get("sides", {})
    ours = sides.get(OURS, {}).get("saturation_per_s")
    batch = found.get("batch", {}).get("texts_per_s")
    peer = best_peer(found)
    return [
        at_least("saturation, of the batch throughput", 0.85, ratio(ours, batch), "%"),
        at_least(
            "saturation, times the best peer that serves these tasks",
            *(4, ratio(ours, peer["saturation_per_s"]) if peer else None),
        ),
    ]


def _latency(found: Found) -> list[Asked]:
    steady = found.get("steady", {})
    latency, lone = steady.get("latency_ms", {}), steady.get("lone_ms")
    return [
        at_most("at 70 %: p50, times a lone request", 3, ratio(latency.get("p50"), lone)),
        at_most("at 70 %: p99, times a lone request", 10, ratio(latency.get("p99"), lone)),
        at_most("at 70 %: refused or failed", 0, _not_answered(steady)),
    ]


def _overload(found: Found) -> list[Asked]:
    over = found.get("overload", {})
    memory = over.get("memory", {})
    goodput = ratio(over.get("goodput_per_s"), over.get("saturation_per_s"))
    return [
        at_least("at 300 %: goodput, of saturation", 0.9, goodput, "%"),
        at_most("at 300 %: neither answered nor refused", 0, over.get("n_errors")),
        at_most("at 300 %: p99 of a refusal", 100, over.get("refused_ms", {}).get("p99"), " ms"),
        at_most(
            "at 300 %: most memory, of that before",
            *(1.05, ratio(memory.get("most"), memory.get("before")), "%"),
        ),
    ]


def _rest(found: Found) -> list[Asked]:
    alone, stored = found.get("alone", {}), found.get("stored", {})
    swapping, starting = found.get("swapping", {}), found.get("starting", {})
    return [
        at_most("idle, of a core", 0.01, alone.get("idle_cpu"), "%"),
        at_most("a lone request, more than the bare forward", 3, alone.get("added_ms"), " ms"),
        at_most("a task not resident, more", 50, swapping.get("extra_ms"), " ms"),
        at_least(
            "few of many resident, of all resident",
            *(0.85, ratio(stored.get("few_per_s"), stored.get("all_per_s")), "%"),
        ),
        at_most("start to ready", 4, starting.get("ready_s"), " s"),
    ]


def _not_answered(steady: Found) -> float | None:
    if "statuses" not in steady:
        return None
    return float(sum(n for status, n in steady["statuses"].items() if status != "200"))
