"""How many processors this process may use.

Most libraries count what the machine has. A container has less: some of its processors, or a share
of their time. More threads than that only wait for one another.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from pathlib import Path

from polyhead.machine.cgroups import Cgroup, cgroups

__all__ = ["affinity", "n_cores", "usable_cores", "usable_processors"]


def usable_cores(root: Path = Path("/")) -> int:
    """How many threads that compute all the time have a core each; at least 1.

    The least of the cores that the process may run on, where hyperthreads of one core count once,
    and of the processor time that its control groups grant, rounded up.

    Args:
        root: Where `proc` and `sys` lie.
    """
    return _limited(n_cores(affinity(), root), root)


def usable_processors(root: Path = Path("/")) -> int:
    """As `usable_cores`, each hyperthread counted: more threads than this never run at once."""
    return _limited(len(affinity()), root)


def affinity() -> frozenset[int]:
    """The numbers of the processors that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return frozenset(os.sched_getaffinity(0))
    return frozenset(range(os.cpu_count() or 1))  # macOS and Windows do not tell


def n_cores(processors: Iterable[int], root: Path = Path("/")) -> int:
    """How many cores these processors are: hyperthreads of one core count once."""
    return len({_core(number, root) for number in processors})


def _limited(n: int, root: Path) -> int:
    quota = _least(_quota(cgroup) for cgroup in cgroups("cpu", root))
    return max(1, n if quota is None else min(n, math.ceil(quota)))


def _core(number: int, root: Path) -> str:
    """The processors that share a core with this one, as the system lists them."""
    topology = root / f"sys/devices/system/cpu/cpu{number}/topology"
    for file in ("core_cpus_list", "thread_siblings_list"):  # the second is the older name
        try:
            return (topology / file).read_text(encoding="utf-8").strip()
        except OSError:
            continue
    return str(number)


def _quota(cgroup: Cgroup) -> float | None:
    """Processors' worth of time that a group grants, or None for no limit."""
    if cgroup.version == 1:
        time_us = cgroup.number("cpu.cfs_quota_us")
        period_us = cgroup.number("cpu.cfs_period_us")
    else:
        time_us, period_us = _v2_quota(cgroup)
    if time_us is None or period_us is None or time_us <= 0 or period_us <= 0:
        return None
    return time_us / period_us


def _v2_quota(cgroup: Cgroup) -> tuple[int | None, int | None]:
    """Microseconds granted in each period, and the period."""
    words = cgroup.words("cpu.max")
    if len(words) != 2 or not all(word.isdecimal() for word in words):  # noqa: PLR2004
        return None, None  # "max 100000", or no such file
    return int(words[0]), int(words[1])


def _least(quotas: Iterable[float | None]) -> float | None:
    return min((quota for quota in quotas if quota is not None), default=None)
