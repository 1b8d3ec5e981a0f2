"""What else keeps the processors busy while something is measured."""

from __future__ import annotations

import os
import time
from pathlib import Path

BUSY_SHARE = 0.1
"""Other programs that take more of all processors than this disturb a measurement."""

LOOK_S = 0.25
LIMIT_S = 20.0
SHORTEST_S = 0.2  # the system counts in hundredths of a second
_STAT = Path("/proc/stat")
_IDLE = (3, 4)  # idle, and waiting for a disk


def busy_s() -> float | None:
    """Return the seconds that all processors were busy since the start; None where unknown."""
    try:
        line = _STAT.read_text(encoding="utf-8").partition("\n")[0]
    except OSError:
        return None
    ticks = [int(number) for number in line.split()[1:9]]  # what comes behind is in these
    busy = sum(ticks) - sum(ticks[place] for place in _IDLE)
    return busy / os.sysconf("SC_CLK_TCK")


def others_share(
    before: float | None, after: float | None, own_cpu_s: float, wall_s: float
) -> float:
    """Return the share of all processors that others took; 0 where that cannot be told."""
    if before is None or after is None or wall_s < SHORTEST_S:
        return 0.0
    return max(0.0, (after - before - own_cpu_s) / (wall_s * (os.cpu_count() or 1)))


def wait_until_quiet(at_least_s: float, limit_s: float = LIMIT_S) -> None:
    """Sleep until no program is busy, the spinning threads of the last run among them.

    Args:
        at_least_s: How long to sleep in any case.
        limit_s: After this long the wait is over, quiet or not.
    """
    time.sleep(at_least_s)
    until = time.monotonic() + limit_s
    while time.monotonic() < until:
        before, started = busy_s(), time.perf_counter()
        time.sleep(LOOK_S)
        if others_share(before, busy_s(), 0.0, time.perf_counter() - started) <= BUSY_SHARE:
            return
