"""When requests are due, and what became of them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

OK = 200
TOO_MANY = 429
NO_ANSWER = 0
"""Status of a request that had no answer when the waiting ended."""

BROKEN = -1
"""Status of a request whose connection broke, or whose answer was not one."""

CURVE = tuple(range(0, 100, 5))
"""The percentiles that are kept, besides the usual ones."""


@dataclass(frozen=True)
class Record:
    """One request.

    Attributes:
        due_s: When it was to be sent, from the start.
        sent_s: When it was.
        latency_s: From when it was due, not from when it was sent, until its answer was there.
        status: Of the answer; `NO_ANSWER` or `BROKEN` where there is none.
    """

    due_s: float
    sent_s: float
    latency_s: float
    status: int

    @property
    def done_s(self) -> float:
        """When the answer was there, from the start."""
        return self.due_s + self.latency_s


@dataclass(frozen=True)
class Outcome:
    """What a run came to.

    Attributes:
        offered_per_s: Requests that were due each second.
        goodput_per_s: Good answers each second, of those that came between warm-up and end.
        n: Requests that were due after the warm-up.
        statuses: How often each status came among these.
        latency_ms: Of good answers, by percentile.
        refused_ms: Of refusals (429), likewise.
        lag_ms: How late requests were sent, by percentile.
        generator_cpu: Processor time of the generator, in seconds for each second of the run.
    """

    offered_per_s: float
    goodput_per_s: float
    n: int
    statuses: Mapping[str, int]
    latency_ms: Mapping[str, float]
    refused_ms: Mapping[str, float]
    lag_ms: Mapping[str, float]
    generator_cpu: float = 0.0

    @property
    def share_refused(self) -> float:
        """Which part was refused with 429."""
        return self.statuses.get(str(TOO_MANY), 0) / self.n if self.n else 0.0

    @property
    def n_errors(self) -> int:
        """Requests that were neither answered nor refused with 429."""
        fine = (str(OK), str(TOO_MANY))
        return sum(count for status, count in self.statuses.items() if status not in fine)

    def entry(self) -> dict[str, Any]:
        """Return it for the results."""
        return asdict(self) | {"share_refused": self.share_refused, "n_errors": self.n_errors}


def due_times(per_s: float, seconds: float) -> list[float]:
    """Return when requests are due that arrive at a constant rate, from the start."""
    return [number / per_s for number in range(math.floor(per_s * seconds))]


def percentile(values: Sequence[float], share: float) -> float:
    """Return the least value that `share` per cent of the values do not pass; nan of none."""
    if not values:
        return math.nan
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share / 100 * len(ordered)) - 1)]


def percentiles(values: Sequence[float]) -> dict[str, float]:
    """Return the usual percentiles of seconds, in milliseconds; nothing of none."""
    if not values:
        return {}
    ordered = sorted(values)
    wanted = sorted({*CURVE, 50, 90, 95, 99, 99.9, 100})
    return {f"p{share:g}": 1000 * percentile(ordered, share) for share in wanted}


def summarise(
    records: Sequence[Record], *, per_s: float, seconds: float, warmup_s: float, cpu_s: float = 0.0
) -> Outcome:
    """Count what came between `warmup_s` and `seconds`.

    Goodput counts answers by when they came, all else requests by when they were due: a server that
    answers a backlog after the end gets nothing for it.
    """
    counted = [record for record in records if record.due_s >= warmup_s]
    good = [r for r in records if r.status == OK and warmup_s <= r.done_s < seconds]

    def latencies(status: int) -> dict[str, float]:
        return percentiles([r.latency_s for r in counted if r.status == status])

    return Outcome(
        offered_per_s=per_s,
        goodput_per_s=len(good) / (seconds - warmup_s),
        n=len(counted),
        statuses={
            str(status): n for status, n in sorted(Counter(r.status for r in counted).items())
        },
        latency_ms=latencies(OK),
        refused_ms=latencies(TOO_MANY),
        lag_ms=percentiles([r.sent_s - r.due_s for r in counted if r.status != NO_ANSWER]),
        generator_cpu=cpu_s / seconds,
    )


def slope(places: Sequence[float], values: Sequence[float]) -> float:
    """Return by how much values rise for each step of the places: the line of least squares.

    Raises:
        ValueError: There are fewer than two different places.
    """
    middle = sum(places) / len(places) if places else 0.0
    spread = sum((place - middle) ** 2 for place in places)
    if not spread:
        raise ValueError("a line needs two different places; measure for longer.")
    level = sum(values) / len(values)
    pairs = zip(places, values, strict=True)
    return sum((place - middle) * (value - level) for place, value in pairs) / spread
