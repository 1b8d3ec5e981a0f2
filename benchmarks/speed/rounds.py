"""Contenders in turns: each once a round, in an order that changes, with a pause in between."""

from __future__ import annotations

import argparse
import math
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import report
from benchmarks.speed import load
from benchmarks.speed.load import BUSY_SHARE
from benchmarks.speed.sides import Answer, SideError, Sides, write_checkpoint

PAUSE_S = 0.3
FLOAT32 = "float32"
MOST_DIFFERENCE = 1e-4
AGAIN = 2
"""How often a run is made again that other programs disturbed; the least disturbed one counts."""


@dataclass(frozen=True)
class Contender:
    """Something that a side prepares and runs.

    Attributes:
        key: What the tables call it; unlike any other.
        side: Whose it is.
        spec: What the side is told.
        rows: Token ids of each text.
        same_as: The key of an earlier contender that computes the same, but for rounding.
        calls: How often it is run in a row in each round; of several the first is not kept.
    """

    key: str
    side: str
    spec: Mapping[str, Any]
    rows: Sequence[Sequence[int]] = ()
    same_as: str | None = None
    calls: int = 1

    @property
    def is_exact(self) -> bool:
        """Whether it computes in float32, where only rounding sets answers apart."""
        given = (self.spec.get(name, FLOAT32) for name in ("dtype", "precision"))
        return all(value == FLOAT32 for value in given)


@dataclass
class Measured:
    """What was measured of a contender.

    Attributes:
        figures: Seconds of every run, or what the runs returned.
        others: Of each round, the share of all processors that other programs took meanwhile.
        cpu_s: Of each round, the processor time.
        difference: The largest difference of its logits from those it should equal.
        facts: What its side said of it.
    """

    figures: list[float] = field(default_factory=list)
    others: list[float] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)
    difference: float | None = None
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def median(self) -> float:
        """The median of the figures."""
        return statistics.median(self.figures)


def measure(
    contenders: Sequence[Contender], sides: Sides, rounds: int, patience_s: float
) -> dict[str, Measured]:
    """Prepare everything, then run it in rounds.

    Args:
        contenders: In an order in which what others shall equal comes first.
        sides: That run them.
        rounds: How often.
        patience_s: The longest wait before a run for other programs to fall silent.

    Returns:
        What was measured, by key. What a side could not prepare is told and left out.

    Raises:
        SideError: A side ended, or computes other answers than it should, or none is ready.
    """
    ready, found = _prepare(contenders, sides)
    if not ready:
        raise SideError("nothing could be prepared, so there is nothing to measure.")
    for number in range(rounds):
        report.progress(f"round {number + 1} of {rounds}")
        for place in order_of_round(len(ready), number):
            contender = ready[place]
            answer, others = _undisturbed(contender, sides, patience_s)
            measured = found[contender.key]
            measured.figures += answer.figures
            measured.others.append(others)
            measured.cpu_s.append(answer.cpu_s)
    return found


def measure_all(contenders: Sequence[Contender], given: argparse.Namespace) -> dict[str, Measured]:
    """Measure contenders under a command's options, on a checkpoint of their own.

    Raises:
        SideError: A side cannot be started or ended early.
    """
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write_checkpoint(given.peer_python, folder)
        with Sides(peer_python=given.peer_python, folder=folder, threads=given.threads) as started:
            return measure(contenders, started, given.rounds, given.patience)


def order_of_round(count: int, number: int) -> list[int]:
    """Return the order of a round: another one begins each time, every other round backwards."""
    order = [(place + number) % count for place in range(count)]
    return order[::-1] if number % 2 else order


def _prepare(
    contenders: Sequence[Contender], sides: Sides
) -> tuple[list[Contender], dict[str, Measured]]:
    ready = []
    found: dict[str, Measured] = {}
    logits: dict[str, Any] = {}
    for contender in contenders:
        report.progress(f"preparing {contender.key}")
        try:
            answer = sides[contender.side].prepare(contender.key, contender.spec, contender.rows)
        except SideError as error:
            report.progress(f"left out: {error}")
            continue
        ready.append(contender)
        logits[contender.key] = answer["logits"]
        gap = difference(answer["logits"], logits.get(contender.same_as or ""))
        check_equal(contender, gap)
        found[contender.key] = Measured(difference=gap, facts=answer["facts"])
    return ready, found


def check_equal(contender: Contender, gap: float | None) -> None:
    """Refuse to time what computes other answers than it should.

    Raises:
        SideError: They differ by more than rounding.
    """
    if gap is not None and contender.is_exact and not gap <= MOST_DIFFERENCE:
        raise SideError(f"{contender.key} differs by {gap:.1e} from {contender.same_as}.")


def difference(
    found: Sequence[Sequence[float]] | None, expected: Sequence[Sequence[float]] | None
) -> float | None:
    """Return the largest difference of any number; None where either side has none."""
    if not found or not expected:
        return None
    gaps = [
        abs(one - other)
        for row, expected_row in zip(found, expected, strict=True)
        for one, other in zip(row, expected_row, strict=True)
    ]
    # max alone would pass over what is no number
    return math.nan if any(map(math.isnan, gaps)) else max(gaps)


def _undisturbed(contender: Contender, sides: Sides, patience_s: float) -> tuple[Answer, float]:
    """Run it; again while others are busy, and return the least disturbed run."""
    tries: list[tuple[float, Answer]] = []
    while not tries or (tries[-1][0] > BUSY_SHARE and len(tries) <= AGAIN):
        load.wait_until_quiet(PAUSE_S, patience_s)
        before, started = load.busy_s(), time.perf_counter()
        answer = sides[contender.side].run(contender.key, contender.calls)
        wall_s = time.perf_counter() - started
        tries.append((load.others_share(before, load.busy_s(), answer.cpu_s, wall_s), answer))
    others, answer = min(tries, key=lambda tried: tried[0])
    return answer, others
