"""What the rows of a batch of pairs are to one another, in one tensor.

Dimensions: R rows, E examples, M negatives of all of them.
"""

from __future__ import annotations

import hashlib
import math
from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from polyhead.batch import Row

__all__ = ["PairTargets", "pair_targets", "row_targets"]

_FIRST, _SECOND, _NEGATIVE = 0.0, 1.0, 2.0
_KEY_BITS: Final = 52
"""As many as a float64 holds exactly."""


def row_targets(rows: Sequence[Row], score: float | None) -> Tensor:
    """The target of one example: for each row its key, its part and the example's score.

    Rows of the same tokens have the same key, so that a batch knows its duplicates.

    Args:
        rows: The first text, the second one, and the negatives.
        score: How alike the first two are, where that is known.

    Returns:
        Shape: (R, 3), float64; the score is NaN where there is none.
    """
    score = math.nan if score is None else score
    parts = (_FIRST, _SECOND, *[_NEGATIVE] * (len(rows) - 2))
    lines = [(_key(row), part, score) for row, part in zip(rows, parts, strict=True)]
    return torch.tensor(lines, dtype=torch.float64)


def pair_targets(keys: Tensor, scores: Tensor | None) -> Tensor:
    """The targets of rows that are pairs: the first and the second, the third and the fourth.

    Args:
        keys: Equal for rows of the same text. Shape: (R,), integers.
        scores: Each pair's, or None where they have none. Shape: (R / 2,).

    Returns:
        Shape: (R, 3), float64.
    """
    targets = keys.new_full((len(keys), 3), math.nan, dtype=torch.float64)
    targets[:, 0] = keys
    targets[0::2, 1], targets[1::2, 1] = _FIRST, _SECOND
    if scores is not None:
        targets[:, 2] = scores.repeat_interleave(2)
    return targets


@dataclass(frozen=True)
class PairTargets:
    """A batch's targets, read.

    Attributes:
        keys: Equal for rows of the same text. Shape: (R,).
        first: The row of each example's first text. Shape: (E,), int64.
        second: That of its second text. Shape: (E,), int64.
        negatives: The rows of all negatives. Shape: (M,), int64.
        scores: NaN for examples without one. Shape: (E,), float64.
    """

    keys: Tensor
    first: Tensor
    second: Tensor
    negatives: Tensor
    scores: Tensor

    @classmethod
    def of(cls, targets: Tensor) -> PairTargets:
        """Reads the concatenated targets of a batch. Shape: (R, 3)."""
        keys, parts, scores = targets.unbind(dim=1)
        first, second, negatives = (
            (parts == part).nonzero().squeeze(1) for part in (_FIRST, _SECOND, _NEGATIVE)
        )
        return cls(keys, first, second, negatives, scores[first])


def _key(row: Row) -> int:
    digest = hashlib.blake2b(array("q", row.ids).tobytes(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> (64 - _KEY_BITS)
