"""Learned gates that are as far open for all tokens of a row.

Dimensions: N tokens of all rows, B rows, I numbers that the gates read of each token, G gates.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional, init

if TYPE_CHECKING:
    from polyhead.batch import Packing

__all__ = ["RowGate"]


class RowGate(nn.Module):
    """The mean of `sigmoid(w z + b)` over a row's own tokens, never over padding or other rows.

    A fresh gate is about half open: `w` is drawn from N(0, 0.02), `b` is 0.

    Source: Mao et al. 2022 (UniPELT), arXiv:2110.07577.
    """

    def __init__(self, read: int, generator: torch.Generator | None, n_gates: int = 1) -> None:
        """Builds fresh gates.

        Args:
            read: I.
            generator: Where their weights are drawn from; None is torch's global generator.
            n_gates: G.
        """
        super().__init__()
        self.weight = nn.Parameter(torch.empty(n_gates, read))
        self.bias = nn.Parameter(torch.zeros(n_gates))
        init.normal_(self.weight, std=0.02, generator=generator)

    def of_rows(self, values: Tensor, packing: Packing) -> Tensor:
        """How far each row is open, between 0 and 1. Shape: (N, I) -> (B, G)."""
        return packing.mean(torch.sigmoid(functional.linear(values, self.weight, self.bias)))

    def forward(self, values: Tensor, packing: Packing) -> Tensor:
        """How far each token's row is open, between 0 and 1. Shape: (N, I) -> (N, G)."""
        index_N = packing.on(values.device).row_of_token
        return self.of_rows(values, packing).index_select(0, index_N)
