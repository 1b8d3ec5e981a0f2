"""Linear layers whose first weights are drawn when and where the adapter says.

nn.Linear draws weights as it is made, from torch's global generator, which is not ours to turn.

Dimensions: N tokens, I and O numbers read and written.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional, init

__all__ = ["BlankLinear", "DrawnLinear"]


class BlankLinear(nn.Module):
    """A linear layer whose weights nothing has filled yet."""

    def __init__(self, read: int, written: int) -> None:
        """Makes the layer.

        Args:
            read: I.
            written: O.
        """
        super().__init__()
        self.weight = nn.Parameter(torch.empty(written, read))
        self.bias = nn.Parameter(torch.empty(written))

    def forward(self, values: Tensor) -> Tensor:
        """Shape: (N, I) -> (N, O)."""
        return functional.linear(values, self.weight, self.bias)

    def factors(self, values: Tensor) -> tuple[Tensor, Tensor]:
        """Two matrices whose product is `values` times its own. Shape: (N, I) and (I, O)."""
        return values, self.weight.t()

    def matrix(self) -> Tensor:
        """Its weight. Shape: (O, I)."""
        return self.weight

    def draw_as_bert(self, generator: torch.Generator | None) -> None:
        """Fills it as BERT's layers are filled: weights N(0, 0.02), biases 0."""
        init.normal_(self.weight, std=0.02, generator=generator)
        init.zeros_(self.bias)


class DrawnLinear(BlankLinear):
    """A linear layer whose weights and biases start uniform within 1 / sqrt(I), as torch's own."""

    def __init__(self, read: int, written: int, generator: torch.Generator | None) -> None:
        """Makes the layer.

        Args:
            read: I.
            written: O.
            generator: Where its weights are drawn from; None is torch's global generator.
        """
        super().__init__(read, written)
        bound = 1 / math.sqrt(read)
        init.uniform_(self.weight, -bound, bound, generator=generator)
        init.uniform_(self.bias, -bound, bound, generator=generator)
