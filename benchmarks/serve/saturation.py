"""The most good answers a second, of each server, in rounds."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from typing import Any

from benchmarks import report
from benchmarks.serve import processes
from benchmarks.serve.bench import SATURATING, Bench
from benchmarks.serve.contenders import OURS, Contender
from benchmarks.serve.servers import Server, ServerError
from benchmarks.speed.rounds import order_of_round

CLOSED_IN_FLIGHT = 32
GRACE_S = 2.0
"""How long answers are waited for that come after the end, and do not count."""

CLOSED = 0.0
"""In the place of an offered share: so many requests were always under way."""

N_REQUESTS = 4000
"""Texts of a closed loop; more than any server here answers in its time."""

Point = dict[str, Any]


def saturation(bench: Bench) -> dict[str, Any]:
    """Measure every server that takes part; one that fails is told and left out.

    Raises:
        ServerError: Ours failed.
    """
    bench.batch_per_s()
    points: dict[str, list[Point]] = {key: [] for key in bench.lineup}
    left_out: dict[str, str] = {}
    for number in range(bench.plan.rounds):
        report.progress(f" round {number + 1} of {bench.plan.rounds}")
        keys = [key for key in bench.lineup if key not in left_out]
        for place in order_of_round(len(keys), number):
            try:
                points[keys[place]] += _round(bench, keys[place])
            except ServerError as error:
                if keys[place] == OURS:
                    raise
                report.progress(f"  left out: {error}")
                left_out[keys[place]] = str(error)
    sides = {
        key: summary(bench.lineup[key], found)
        for key, found in points.items()
        if found and key not in left_out
    }
    bench.note_saturation(sides[OURS]["saturation_per_s"])
    return {"sides": sides, "left_out": left_out}


def summary(contender: Contender, points: Sequence[Point]) -> dict[str, Any]:
    """Return the best of a server's points, each the median of its rounds."""
    by_share: dict[float, list[Point]] = {}
    for point in points:
        by_share.setdefault(point["share"], []).append(point)
    goodput = {
        share: statistics.median(point["goodput_per_s"] for point in rounds)
        for share, rounds in by_share.items()
    }
    offered = {
        share: statistics.median(point["offered_per_s"] for point in rounds)
        for share, rounds in by_share.items()
    }
    return {
        "name": contender.name,
        "note": contender.note,
        "serves_all": contender.serves_all,
        "n_tasks": contender.n_tasks,
        "saturation_per_s": max(goodput.values()),
        "curve": [[offered[share], goodput[share]] for share in sorted(goodput) if share != CLOSED],
        "closed_per_s": goodput.get(CLOSED),
        "resident_bytes": max(point["resident_bytes"] for point in points),
        "points": list(points),
    }


def _round(bench: Bench, key: str) -> list[Point]:
    contender = bench.lineup[key]
    with bench.server(contender) as server:
        points = list(_points(bench, contender, server, is_ours=key == OURS))
        n_bytes = processes.resident_bytes(server.pid)
    return [{**point, "resident_bytes": n_bytes} for point in points]


def _points(
    bench: Bench, contender: Contender, server: Server, *, is_ours: bool
) -> Iterator[Point]:
    """Offer ours shares of the batch throughput, others shares of what a closed loop reaches.

    That is a point of theirs too.
    """
    basis = bench.batch_per_s()
    if not is_ours:
        requests = bench.requests(contender, N_REQUESTS)
        seconds = bench.plan.seconds + 1
        closed = bench.loader.closed_loop(server, requests, CLOSED_IN_FLIGHT, seconds, 1.0)
        closed.good_s()
        basis = closed.outcome.goodput_per_s
        report.progress(f"  {contender.name}: {basis:.1f}/s with {CLOSED_IN_FLIGHT} under way")
        yield {"share": CLOSED, **closed.entry()}
    for share in SATURATING:
        loaded = bench.at_rate(
            contender, server, share * basis, bench.plan.seconds, grace_s=GRACE_S
        )
        yield {"share": share, **loaded.entry()}
