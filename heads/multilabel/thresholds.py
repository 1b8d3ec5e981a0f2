"""From probabilities to the labels that are chosen.

Dimensions: B texts, K labels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from polyhead.errors import InputError
from polyhead.heads.multilabel.config import EVEN

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["chosen", "tune_thresholds"]


def chosen(probabilities: Tensor, thresholds: Sequence[float]) -> Tensor:
    """Which labels reach their threshold. Shape: (B, K), (K) -> (B, K), bool."""
    # in float64: a threshold is compared as it is written, not as float32 rounds it
    return probabilities.double() >= torch.tensor(thresholds, dtype=torch.float64)


def tune_thresholds(probabilities: Tensor, targets: Tensor) -> list[float]:
    """For each label the threshold with the highest F1 on labelled texts.

    It lies half-way between two probabilities that occur; of several with the same F1 it is the one
    nearest 0.5. A label that no text has keeps 0.5. Use texts that were not trained on.

    Args:
        probabilities: Of each label. Shape: (B, K).
        targets: 1 where a text has a label, else 0. Shape: (B, K).

    Raises:
        InputError: There are no texts, or the shapes differ.
    """
    if probabilities.ndim != 2 or probabilities.shape != targets.shape:  # noqa: PLR2004
        raise InputError(
            f"probabilities of shape {tuple(probabilities.shape)} and targets of shape "
            f"{tuple(targets.shape)} do not fit; both are (texts, labels)."
        )
    if not len(targets):
        raise InputError("there are no labelled examples to tune thresholds on.")
    columns = zip(probabilities.double().unbind(1), targets.double().unbind(1), strict=True)
    return [_best_threshold(column_B, targets_B) for column_B, targets_B in columns]


def _best_threshold(probabilities_B: Tensor, targets_B: Tensor) -> float:
    ranked_B, order_B = probabilities_B.sort(descending=True)
    next_B = torch.cat([ranked_B[1:], ranked_B.new_zeros(1)])
    # a cut behind each text; equal probabilities cannot be parted
    is_cut_B = ranked_B > next_B
    n_positive = targets_B.sum()
    if not n_positive or not bool(is_cut_B.any()):
        return EVEN
    n_chosen_B = torch.arange(1, len(ranked_B) + 1, device=ranked_B.device)
    f1_B = 2 * targets_B[order_B].cumsum(0) / (n_chosen_B + n_positive)
    is_best_B = is_cut_B & (f1_B == f1_B[is_cut_B].max())
    best = ((ranked_B + next_B) / 2)[is_best_B]
    return float(best[(best - EVEN).abs().argmin()])
