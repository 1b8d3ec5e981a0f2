"""Tasks that keep failing are given up for a while, each on its own.

Source: Nygard 2007, "Release It!" (the circuit breaker: closed, open, half-open).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass

__all__ = ["Breakers"]

_LONGEST_S = 300.0


@dataclass
class _Breaker:
    """One task's state.

    Attributes:
        n_failures: In a row.
        n_breaks: How often it was given up in a row.
        until: Until when it is given up; None while it is not.
        is_tried: Whether one example was let through since, to see whether it works again.
    """

    n_failures: int = 0
    n_breaks: int = 0
    until: float | None = None
    is_tried: bool = False


class Breakers:
    """What is known of tasks that failed; nothing is kept of those that work."""

    def __init__(self, failures: int, break_s: float, clock: Callable[[], float]) -> None:
        """Starts with all tasks at work.

        Args:
            failures: Failures in a row until a task is given up.
            break_s: For how long at first; each further time twice as long, up to 5 minutes.
            clock: Seconds since any moment.
        """
        self._failures = failures
        self._break_s = break_s
        self._clock = clock
        self._lock = threading.Lock()
        self._known: dict[Hashable, _Breaker] = {}

    def refused_for(self, task: Hashable) -> float | None:
        """The seconds for which a task is not to be asked; None where it may be now.

        When the time is over, the first to ask is let through alone; how that ends decides.
        """
        with self._lock:
            breaker = self._known.get(task)
            if breaker is None or breaker.until is None:
                return None
            left = breaker.until - self._clock()
            if left > 0.0:
                return left
            if breaker.is_tried:
                # whoever tries it may have gone without being computed: the next one does then
                breaker.until = self._clock() + self._break_s
                breaker.is_tried = False
                return self._break_s
            breaker.is_tried = True
            return None

    def is_broken(self, task: Hashable) -> bool:
        """Whether a task is given up now, without letting anyone through."""
        with self._lock:
            breaker = self._known.get(task)
            return breaker is not None and breaker.until is not None and not breaker.is_tried

    def succeeded(self, task: Hashable) -> None:
        """Takes note that a task answered."""
        if task in self._known:
            with self._lock:
                self._known.pop(task, None)

    def failed(self, task: Hashable) -> bool:
        """Takes note that a task failed through no fault of its input.

        Returns:
            Whether it is given up because of that.
        """
        with self._lock:
            breaker = self._known.setdefault(task, _Breaker())
            breaker.n_failures += 1
            is_last = breaker.until is None and breaker.n_failures >= self._failures
            if breaker.is_tried or is_last:
                seconds = min(self._break_s * 2**breaker.n_breaks, _LONGEST_S)
                breaker.until = self._clock() + seconds
                breaker.n_breaks += 1
                breaker.is_tried = False
                return True
            return False

    def forget(self, task: Hashable) -> None:
        """Forgets a task that is gone."""
        with self._lock:
            self._known.pop(task, None)
