"""How long something takes, and what is told of many such times."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import Final

__all__ = ["p95", "seconds_of"]

_P95: Final = 0.95


def seconds_of(work: Callable[[], object]) -> float:
    """How long `work` takes, once."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def p95(values: Sequence[float]) -> float:
    """The least of `values` that 95 % of them are not above."""
    return sorted(values)[math.ceil(_P95 * len(values)) - 1]
