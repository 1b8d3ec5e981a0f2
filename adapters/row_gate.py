"""A learned gate that is as far open for all tokens of a row.

Dimensions: N tokens of all rows, I numbers that the gate reads of each.
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

    def __init__(self, read: int, generator: torch.Generator | None) -> None:
        """Builds a fresh gate.

        Args:
            read: I.
            generator: Where its weights are drawn from; None is torch's global generator.
        """
        super().__init__()
        self.weight = nn.Parameter(torch.empty(1, read))
        self.bias = nn.Parameter(torch.zeros(1))
        init.normal_(self.weight, std=0.02, generator=generator)

    def forward(self, values: Tensor, packing: Packing) -> Tensor:
        """How far each token's row is open, between 0 and 1. Shape: (N, I) -> (N, 1)."""
        gate_N1 = torch.sigmoid(functional.linear(values, self.weight, self.bias))
        return packing.mean(gate_N1).index_select(0, packing.row_of_token.to(values.device))
