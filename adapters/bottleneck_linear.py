"""A linear layer of a bottleneck.

Dimensions: N tokens, I and O numbers read and written.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional, init

__all__ = ["BlankLinear"]


class BlankLinear(nn.Module):
    """A linear layer whose weights are not filled yet.

    nn.Linear draws weights as it is made, from torch's global generator, which is not ours to turn.
    """

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

    def matrix(self) -> tuple[Tensor, Tensor | None]:
        """Its weight and bias, as functional.linear takes them. Shape: (O, I) and (O,)."""
        return self.weight, self.bias

    def draw_as_bert(self, generator: torch.Generator | None) -> None:
        """Fills it as BERT's layers are filled: weights N(0, 0.02), biases 0."""
        init.normal_(self.weight, std=0.02, generator=generator)
        init.zeros_(self.bias)
