"""How good the answers of a classification head are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from polyhead.contracts import Metrics, targets_of
from polyhead.errors import InputError, MissingExtraError
from polyhead.heads.logits import checked_logits

if TYPE_CHECKING:
    from collections.abc import Sequence

    from polyhead.contracts import Encoded, HeadOutput

__all__ = ["ClassificationMetrics"]


class ClassificationMetrics(Metrics):
    """Accuracy, macro F1 and Matthews' correlation.

    Macro F1 is the mean over the labels that occur in the data or the answers.
    """

    primary = "accuracy"

    def __init__(self) -> None:
        self._answers: list[int] = []
        self._targets: list[int] = []

    def update(self, output: HeadOutput, encoded: Sequence[Encoded]) -> None:
        """Takes in a batch's logits, (B, K), and its labelled examples.

        Raises:
            InputError: An example has no label, or the logits are not finite.
        """
        self._targets += targets_of(encoded).tolist()
        self._answers += checked_logits(output).argmax(dim=1).tolist()

    def compute(self) -> dict[str, float]:
        """`accuracy`, `macro_f1` and `mcc`, as scikit-learn defines them.

        MCC is Matthews' correlation coefficient, from -1 to 1; 0.0 where the data or the answers
        have one label only.

        Raises:
            InputError: There was no example.
            MissingExtraError: scikit-learn is not installed.
        """
        if not self._targets:
            raise InputError("there are no labelled examples to evaluate on.")
        try:
            # takes a second to import, and prediction never needs it
            from sklearn.metrics import (  # noqa: PLC0415
                accuracy_score,
                f1_score,
                matthews_corrcoef,
            )
        except ImportError as error:
            raise MissingExtraError("scikit-learn", "train", "evaluation") from error
        f1 = f1_score(self._targets, self._answers, average="macro", zero_division=0)
        # undefined with one label, which scikit-learn warns of
        is_defined = len({*self._targets, *self._answers}) > 1
        return {
            "accuracy": float(accuracy_score(self._targets, self._answers)),
            "macro_f1": float(f1),
            "mcc": float(matthews_corrcoef(self._targets, self._answers)) if is_defined else 0.0,
        }
