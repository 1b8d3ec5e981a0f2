"""How good the answers of a regression head are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from polyhead.contracts import Metrics, targets_of
from polyhead.errors import InputError, MissingExtraError
from polyhead.heads.logits import checked_logits

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from polyhead.contracts import Encoded, HeadOutput

__all__ = ["RegressionMetrics"]


class RegressionMetrics(Metrics):
    """Rank correlation, correlation and errors, each the mean over the outputs."""

    primary = "spearman"

    def __init__(self) -> None:
        self._answers: list[list[float]] = []
        self._targets: list[list[float]] = []

    def update(self, output: HeadOutput, encoded: Sequence[Encoded]) -> None:
        """Takes in a batch's outputs, (B, K), and its labelled examples.

        Raises:
            InputError: An example has no label, or an output is not finite.
        """
        self._targets += targets_of(encoded).tolist()
        self._answers += checked_logits(output).tolist()

    def compute(self) -> dict[str, float]:
        """`spearman` and `pearson` as scipy defines them, `mse` and `mae` as scikit-learn does.

        A correlation that is undefined, since all answers or all labels are equal, counts as 0.0.
        Errors are in the labels' own unit.

        Raises:
            InputError: There was no example.
            MissingExtraError: scikit-learn, which brings scipy, is not installed.
        """
        if not self._targets:
            raise InputError("there are no labelled examples to evaluate on.")
        try:
            # take a second to import, and prediction never needs them
            from scipy.stats import pearsonr, spearmanr  # noqa: PLC0415
            from sklearn.metrics import (  # noqa: PLC0415
                mean_absolute_error,
                mean_squared_error,
            )
        except ImportError as error:
            raise MissingExtraError("scikit-learn", "train", "evaluation") from error
        return {
            "spearman": self._correlation(spearmanr),
            "pearson": self._correlation(pearsonr),
            "mse": float(mean_squared_error(self._targets, self._answers)),
            "mae": float(mean_absolute_error(self._targets, self._answers)),
        }

    def _correlation(self, correlate: Callable[..., tuple[float, float]]) -> float:
        """The mean over the outputs."""
        pairs = zip(zip(*self._targets, strict=True), zip(*self._answers, strict=True), strict=True)
        found = [
            float(correlate(targets, answers)[0])
            if min(targets) < max(targets) and min(answers) < max(answers)
            else 0.0
            for targets, answers in pairs
        ]
        return sum(found) / len(found)
