"""What was asked of a figure, what was measured, and whether that is met."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from benchmarks import report


@dataclass(frozen=True)
class Asked:
    """A figure with a bound.

    Attributes:
        what: The figure, in words.
        bound: What it shall reach, or stay below.
        measured: What it was; None where that was not measured.
        is_lower_bound: Whether more is better.
        unit: Of both numbers, written behind them.
    """

    what: str
    bound: float
    measured: float | None
    is_lower_bound: bool
    unit: str = ""

    @property
    def is_met(self) -> bool | None:
        """Whether it reaches its bound; None where it was not measured."""
        if self.measured is None:
            return None
        if self.is_lower_bound:
            return self.measured >= self.bound
        return self.measured <= self.bound

    def cells(self) -> list[str]:
        """Return a row of the table."""
        words = {None: "not measured", True: "yes", False: "**missed**"}
        bound = f"at {'least' if self.is_lower_bound else 'most'} {self._number(self.bound)}"
        measured = "" if self.measured is None else self._number(self.measured)
        return [self.what, bound, measured, words[self.is_met]]

    def _number(self, value: float) -> str:
        return f"{100 * value:.1f} %" if self.unit == "%" else f"{value:.3g}{self.unit}"


def at_least(what: str, bound: float, measured: float | None, unit: str = "") -> Asked:
    """A figure of which more is better."""
    return Asked(what, bound, measured, is_lower_bound=True, unit=unit)


def at_most(what: str, bound: float, measured: float | None, unit: str = "") -> Asked:
    """A figure of which less is better."""
    return Asked(what, bound, measured, is_lower_bound=False, unit=unit)


def ratio(one: float | None, other: float | None) -> float | None:
    """Return one by the other; None where either is missing."""
    return None if one is None or not other else one / other


def as_table(figures: Sequence[Asked]) -> str:
    """Format all of them."""
    return report.table(
        ["Figure", "asked", "measured", "met"], [figure.cells() for figure in figures]
    )


def as_results(figures: Sequence[Asked]) -> list[dict[str, object]]:
    """Return all of them for the results."""
    return [asdict(figure) | {"is_met": figure.is_met} for figure in figures]
