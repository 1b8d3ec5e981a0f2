"""How well a masked language model finds hidden tokens.

Dimensions: N tokens, M of them asked for, V vocabulary.
"""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from polyhead.contracts import Metrics, targets_of
from polyhead.errors import InputError
from polyhead.heads.masked_lm.encoding import IGNORED

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from polyhead.contracts import Encoded, HeadOutput

__all__ = ["MaskedLMMetrics"]

_AT_ONCE = 1024
"""Most tokens whose logits are in memory at once."""


class MaskedLMMetrics(Metrics):
    """Perplexity, loss and accuracy over the tokens that are asked for."""

    primary = "perplexity"
    higher_is_better = False

    def __init__(self, read: Callable[[HeadOutput, Tensor], Tensor]) -> None:
        """Starts with no token.

        Args:
            read: Gives the checked logits, (M, V), of an output's tokens at M places.
        """
        self._read = read
        self._loss = 0.0
        self._n_right = 0
        self._n_asked = 0

    def update(self, output: HeadOutput, encoded: Sequence[Encoded]) -> None:
        """Takes in a batch's output and its texts, as `draw` made them.

        Raises:
            InputError: The logits are not finite.
        """
        targets_N = targets_of(encoded)
        for places_M in torch.split((targets_N != IGNORED).nonzero().squeeze(1), _AT_ONCE):
            logits_MV = self._read(output, places_M)
            targets_M = targets_N[places_M].to(logits_MV.device)
            self._loss += float(functional.cross_entropy(logits_MV, targets_M, reduction="sum"))
            self._n_right += int((logits_MV.argmax(dim=1) == targets_M).sum())
            self._n_asked += len(targets_M)

    def compute(self) -> dict[str, float]:
        """`perplexity`, `loss` (the mean cross entropy, its logarithm) and `accuracy`.

        A perplexity beyond the numbers is the largest of them, so that a file can hold it.

        Raises:
            InputError: No token was asked for.
        """
        if not self._n_asked:
            raise InputError("there are no words to evaluate on: no token of the texts is hidden.")
        loss = self._loss / self._n_asked
        is_beyond = loss >= math.log(sys.float_info.max)
        return {
            "perplexity": sys.float_info.max if is_beyond else math.exp(loss),
            "loss": loss,
            "accuracy": self._n_right / self._n_asked,
        }
