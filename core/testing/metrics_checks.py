"""Checks of a head's metrics: figures that batches do not change, and one to choose by."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING
from unittest import SkipTest

import torch

from polyhead.contracts import Metrics
from polyhead.errors import MissingExtraError
from polyhead.testing.case import Config
from polyhead.testing.failure import ConformanceError, advising, require
from polyhead.testing.head_case import HeadCase

if TYPE_CHECKING:
    from polyhead.contracts import Encoded
    from polyhead.testing.bench import Bench

__all__ = ["MetricsChecks"]


class MetricsChecks(HeadCase):
    """What evaluation and the choice of the best epoch need of a head."""

    def test_its_metrics_have_their_primary_figure(self, config: Config) -> None:
        """The best epoch is the one with the best of it."""
        bench = self.bench(config)
        metrics = bench.head.metrics()
        if not isinstance(metrics, Metrics):
            raise ConformanceError(
                f"{self.name()}.metrics makes a {type(metrics).__name__}; make an instance of a "
                "subclass of polyhead.Metrics."
            )
        figures = self._figures(bench, [bench.lesson()])
        primary = getattr(metrics, "primary", None)
        require(
            primary in figures,
            f"{type(metrics).__name__}.primary is {primary!r}, which is none of the figures "
            f"that compute() returns: {', '.join(figures)}. Correct one of them.",
        )
        odd = [name for name, figure in figures.items() if not isinstance(figure, int | float)]
        require(
            not odd,
            f"the figures {odd} of {type(metrics).__name__} are no numbers; return floats, "
            "float(tensor) for tensors.",
        )

    def test_its_metrics_do_not_depend_on_the_batches(self, config: Config) -> None:
        """All examples at once, and one after the other."""
        bench = self.bench(config)
        lesson = bench.lesson()
        at_once = self._figures(bench, [lesson])
        one_by_one = self._figures(bench, [[item] for item in lesson])
        require(
            _is_same(at_once, one_by_one),
            f"the figures of {self.name()} are {one_by_one} for batches of one, and {at_once} for "
            "all at once. Collect counts or answers in `update`, and divide in `compute`.",
        )

    def test_each_collector_counts_for_itself(self, config: Config) -> None:
        """`metrics()` makes a fresh one each time: two evaluations share nothing."""
        bench = self.bench(config)
        lesson = bench.lesson()
        before = self._figures(bench, [lesson])
        self._figures(bench, [lesson[:-1]] * 3)
        after = self._figures(bench, [lesson])
        require(
            _is_same(before, after),
            f"the figures of {self.name()} are {before}, and {after} after another evaluation. "
            "`metrics` must make a new collector each time, whose lists and counts are made in "
            "its __init__.",
        )

    def _figures(self, bench: Bench, batches: Sequence[Sequence[Encoded]]) -> dict[str, float]:
        """What a fresh collector says of batches."""
        metrics = bench.head.metrics()
        with (
            torch.inference_mode(),
            advising(f"the metrics of {self.name()} cannot take in its own output."),
        ):
            for batch in batches:
                metrics.update(bench.compute(batch), batch)
            try:
                return metrics.compute()
            except MissingExtraError as error:
                raise SkipTest(str(error)) from None


def _is_same(one: Mapping[str, float], other: Mapping[str, float]) -> bool:
    return one.keys() == other.keys() and all(
        math.isclose(figure, other[name], rel_tol=1e-4, abs_tol=1e-5)
        or (math.isnan(figure) and math.isnan(other[name]))
        for name, figure in one.items()
    )
