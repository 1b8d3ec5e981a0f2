"""What processes take: memory and processor time, of a process and all it started."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Self

PROC = Path("/proc")
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_PARENT, _USER, _SYSTEM = 1, 11, 12  # counted behind the name, which may hold anything


def family(pid: int) -> list[int]:
    """Return a process and all that it started, as far as they live."""
    children: dict[int, list[int]] = {}
    for place in PROC.iterdir():
        if place.name.isdigit():
            fields = _fields(int(place.name))
            if fields:
                children.setdefault(int(fields[_PARENT]), []).append(int(place.name))
    found = [pid]
    for one in found:
        found += children.get(one, [])
    return found


def cpu_s(pid: int) -> float:
    """Return the processor time that a process and all it started have taken."""
    fields = [_fields(one) for one in family(pid)]
    return sum(int(own[_USER]) + int(own[_SYSTEM]) for own in fields if own) / _TICKS_PER_S


def resident_bytes(pid: int) -> int:
    """Return the memory of a process and all it started; shared pages count for each."""
    found = 0
    for one in family(pid):
        try:
            statm = (PROC / str(one) / "statm").read_text(encoding="ascii")
        except OSError:  # it has ended
            continue
        found += int(statm.split()[1]) * _PAGE
    return found


def _fields(pid: int) -> list[str]:
    try:
        stat = (PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:  # it has ended
        return []
    return stat.rpartition(")")[2].split()


class MemoryWatch:
    """Looks at the memory of a process again and again, in a thread of its own.

    Attributes:
        samples: Seconds from the start, and bytes.
    """

    def __init__(self, pid: int, every_s: float = 0.5) -> None:
        self.samples: list[tuple[float, int]] = []
        self._pid = pid
        self._every_s = every_s
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()

    @property
    def most(self) -> int:
        """The most that it saw."""
        return max((n_bytes for _, n_bytes in self.samples), default=0)

    def _look(self) -> None:
        started = time.perf_counter()
        while True:
            self.samples.append((time.perf_counter() - started, resident_bytes(self._pid)))
            if self._ended.wait(self._every_s):
                return
