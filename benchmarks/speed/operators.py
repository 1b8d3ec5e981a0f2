"""Which of torch's operators a run spends its time in."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch

OUTSIDE = "outside of operators (Python)"
MICRO = 1e6


def seconds_by_operator(run: Callable[[], object]) -> dict[str, float]:
    """Return the seconds of each operator without those it calls, the longest first.

    Args:
        run: It has run before.

    Returns:
        By operator's name, and what lies outside of all of them. The profiler's own time is in it:
        many small operators look longer than they are.
    """
    activities = [torch.profiler.ProfilerActivity.CPU]
    with torch.profiler.profile(activities=activities) as profiler:
        started = time.perf_counter()
        run()
        wall_s = time.perf_counter() - started
    averages = profiler.key_averages()
    found = {entry.key: entry.self_cpu_time_total / MICRO for entry in averages}
    found[OUTSIDE] = max(0.0, wall_s - sum(found.values()))
    return dict(sorted(found.items(), key=lambda item: item[1], reverse=True))
