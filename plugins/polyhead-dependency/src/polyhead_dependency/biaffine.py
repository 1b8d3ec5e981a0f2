"""Scores of pairs of vectors.

Dimensions: E sentences, W words, V heads (the words and the root), M pairs, K outputs, I and J the
widths of the two vectors.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional, init

__all__ = ["Biaffine"]


class Biaffine(nn.Module):
    """`score_k(x, y) = [x; 1] W_k y`, or `[x; 1] W_k [y; 1]`, in float32.

    The weights start as N(0, 0.02).

    Source: Dozat and Manning 2017, arXiv:1611.01734, equations 5 and 6.
    """

    def __init__(self, width: int, n_outputs: int, *, has_right_bias: bool) -> None:
        """Makes fresh weights.

        Args:
            width: Of both vectors.
            n_outputs: Scores of a pair.
            has_right_bias: Whether the left vector has a score by itself.
        """
        super().__init__()
        self.weight = nn.Parameter(torch.empty(n_outputs, width + 1, width + has_right_bias))
        init.normal_(self.weight, std=0.02)

    def forward(self, left: Tensor, right: Tensor) -> Tensor:
        """The scores of all pairs of a sentence. Shape: (E, W, I), (E, V, J) -> (E, W, V, K)."""
        weight_KIJ, left, right = self._ready(left, right)
        left_EWKJ = torch.einsum("ewi,kij->ewkj", left, weight_KIJ)
        return torch.einsum("ewkj,evj->ewvk", left_EWKJ, right)

    def of_pairs(self, left: Tensor, right: Tensor) -> Tensor:
        """The scores of given pairs. Shape: (M, I), (M, J) -> (M, K)."""
        weight_KIJ, left, right = self._ready(left, right)
        left_MKJ = torch.einsum("mi,kij->mkj", left, weight_KIJ)
        return torch.einsum("mkj,mj->mk", left_MKJ, right)

    def _ready(self, left: Tensor, right: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        weight_KIJ = self.weight.float()
        left = functional.pad(left.float(), (0, 1), value=1.0)
        if weight_KIJ.shape[2] > right.shape[-1]:
            right = functional.pad(right, (0, 1), value=1.0)
        return weight_KIJ, left, right.float()
