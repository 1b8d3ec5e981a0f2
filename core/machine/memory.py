"""How much more memory this process can take."""

from __future__ import annotations

import ctypes
import os
import re
from functools import cache
from pathlib import Path

from polyhead.machine.cgroups import Cgroup, cgroups

__all__ = ["free_memory", "give_back_freed_memory", "resident_memory"]

_AVAILABLE = re.compile(r"^MemAvailable:\s+(\d+) kB$", re.MULTILINE)
_FILES = {1: "total_inactive_file", 2: "inactive_file"}
"""What of a group's memory is only kept as long as nobody needs it."""


def free_memory(root: Path = Path("/")) -> int | None:
    """Bytes that can still be had before the machine or a control group runs out of them.

    Args:
        root: Where `proc` and `sys` lie.

    Returns:
        None where the system does not tell.
    """
    found = [_free_in(cgroup) for cgroup in cgroups("memory", root)]
    try:
        told = _AVAILABLE.search((root / "proc/meminfo").read_text(encoding="utf-8"))
    except OSError:
        told = None
    found.append(None if told is None else int(told[1]) * 1024)
    return min((free for free in found if free is not None), default=None)


def resident_memory(root: Path = Path("/")) -> int | None:
    """Bytes that this process has in memory, or None where the system does not tell."""
    try:
        pages = (root / "proc/self/statm").read_text(encoding="utf-8").split()[1]
    except (OSError, IndexError):
        return None
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def give_back_freed_memory() -> bool:
    """Has the C library return to the system what was freed and lies between things in use.

    It keeps such memory by itself: where sizes vary, as those of batches do, a process that lives
    long would hold more and more of it. Some milliseconds, and as long again to take it anew.

    Returns:
        Whether there was any; False where the C library has no such function.

    Source: malloc_trim(3), of glibc.
    """
    trim = getattr(_c_library(), "malloc_trim", None)
    return trim is not None and bool(trim(0))


@cache
def _c_library() -> ctypes.CDLL | None:
    try:
        return ctypes.CDLL(None)
    except (OSError, TypeError):  # Windows
        return None


def _free_in(cgroup: Cgroup) -> int | None:
    """What a group still grants, or None for no limit."""
    if cgroup.version == 1:
        limit, used = cgroup.number("memory.limit_in_bytes"), cgroup.number("memory.usage_in_bytes")
    else:
        limit, used = cgroup.number("memory.max"), cgroup.number("memory.current")
    if limit is None or used is None:
        return None
    words = cgroup.words("memory.stat")
    stat = dict(zip(words[::2], words[1::2], strict=False))
    return max(0, limit - used + int(stat.get(_FILES[cgroup.version], 0)))
