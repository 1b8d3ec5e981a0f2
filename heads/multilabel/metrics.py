"""How good the answers of a multi-label head are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from polyhead.contracts import Metrics, targets_of
from polyhead.errors import InputError, MissingExtraError
from polyhead.heads.logits import checked_logits
from polyhead.heads.multilabel.thresholds import chosen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from polyhead.contracts import Encoded, HeadOutput

__all__ = ["MultilabelMetrics"]


class MultilabelMetrics(Metrics):
    """F1, precision and recall over all answers and as the mean over the labels; exact matches."""

    primary = "micro_f1"

    def __init__(self, thresholds: Sequence[float]) -> None:
        """Starts empty.

        Args:
            thresholds: The probability from which on each label counts as chosen.
        """
        self._thresholds = tuple(thresholds)
        self._answers: list[Tensor] = []
        self._targets: list[Tensor] = []

    def update(self, output: HeadOutput, encoded: Sequence[Encoded]) -> None:
        """Takes in a batch's logits, (B, K), and its labelled examples.

        Raises:
            InputError: An example has no labels, or the logits are not finite.
        """
        self._targets.append(targets_of(encoded).bool())
        self._answers.append(chosen(checked_logits(output).sigmoid(), self._thresholds))

    def compute(self) -> dict[str, float]:
        """F1, precision and recall, `micro_` and `macro_`, and `accuracy`, as scikit-learn does.

        `micro_` counts all decisions together; `macro_` is the mean over all labels of the head,
        where what is undefined (a label that is never answered or never right) counts as 0.0.
        `accuracy` is the share of texts whose labels are all right.

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
                precision_recall_fscore_support,
            )
        except ImportError as error:
            raise MissingExtraError("scikit-learn", "train", "evaluation") from error
        # a column of zeros at the end: scikit-learn reads a single column as two classes
        targets, answers = (
            torch.nn.functional.pad(torch.cat(batches).to(torch.int8), (0, 1)).numpy()
            for batches in (self._targets, self._answers)
        )
        labels = list(range(len(self._thresholds)))
        figures = {}
        for average in ("micro", "macro"):
            precision, recall, f1, _ = precision_recall_fscore_support(
                targets, answers, labels=labels, average=average, zero_division=0
            )
            figures[f"{average}_f1"] = float(f1)
            figures[f"{average}_precision"] = float(precision)
            figures[f"{average}_recall"] = float(recall)
        return {**figures, "accuracy": float(accuracy_score(targets, answers))}
