"""A linear layer with the first weights of torch's own, drawn from a generator that is given.

Dimensions: N tokens, I and O numbers read and written.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional, init

__all__ = ["DrawnLinear"]


class DrawnLinear(nn.Module):
    """A linear layer whose weights and biases start uniform within 1 / sqrt(I)."""

    def __init__(self, read: int, written: int, generator: torch.Generator | None) -> None:
        """Makes the layer.

        Args:
            read: I.
            written: O.
            generator: Where its weights are drawn from; None is torch's global generator.
        """
        super().__init__()
        self.weight = nn.Parameter(torch.empty(written, read))
        self.bias = nn.Parameter(torch.empty(written))
        bound = 1 / math.sqrt(read)
        init.uniform_(self.weight, -bound, bound, generator=generator)
        init.uniform_(self.bias, -bound, bound, generator=generator)

    def forward(self, values: Tensor) -> Tensor:
        """Shape: (N, I) -> (N, O)."""
        return functional.linear(values, self.weight, self.bias)
