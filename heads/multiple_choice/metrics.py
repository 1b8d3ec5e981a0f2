"""How often a multiple-choice head is right.

Dimensions: E examples, C the most choices of one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from polyhead.contracts import Metrics, targets_of
from polyhead.errors import InputError
from polyhead.heads.logits import checked_logits, logits_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from polyhead.contracts import Encoded, HeadOutput

__all__ = ["MultipleChoiceMetrics", "choice_logits"]


class MultipleChoiceMetrics(Metrics):
    """Accuracy: the share of the examples whose right choice has the highest score."""

    primary = "accuracy"

    def __init__(self) -> None:
        self._n_right = 0
        self._n_asked = 0

    def update(self, output: HeadOutput, encoded: Sequence[Encoded]) -> None:
        """Takes in a batch's logits, (E, C), and its labelled examples.

        Raises:
            InputError: An example has no label, or the logits are not finite.
        """
        targets_E = targets_of(encoded)
        self._n_right += int((choice_logits(output, encoded).argmax(dim=1) == targets_E).sum())
        self._n_asked += len(targets_E)

    def compute(self) -> dict[str, float]:
        """`accuracy`.

        Raises:
            InputError: There was no example.
        """
        if not self._n_asked:
            raise InputError("there are no labelled examples to evaluate on.")
        return {"accuracy": self._n_right / self._n_asked}


def choice_logits(output: HeadOutput, encoded: Sequence[Encoded]) -> Tensor:
    """Logits out of the graph, in float32 on the CPU, -inf where an example has no such choice.

    Shape: (E, C) -> (E, C).

    Raises:
        InputError: A choice's logit is not finite.
    """
    logits_EC = logits_of(output)
    counts_E = torch.tensor([len(item.rows) for item in encoded], dtype=torch.long)
    is_missing_EC = torch.arange(logits_EC.shape[1]) >= counts_E.unsqueeze(1)
    filled_EC = logits_EC.masked_fill(is_missing_EC.to(logits_EC.device), 0)
    return checked_logits(filled_EC).masked_fill(is_missing_EC, -torch.inf)
