"""One vector of factors, for what a linear layer of the encoder writes or reads.

Dimensions: N tokens of all rows, I and O numbers that the linear layer reads and writes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from polyhead.adapters.row_gate import RowGate
from polyhead.contracts import Projection

if TYPE_CHECKING:
    from polyhead.batch import Packing
    from polyhead.contracts import ProjectionTap

__all__ = ["InnerScale", "InputScale", "OutputScale", "Scale", "TwoTaps"]


class Scale(nn.Module, ABC):
    """Factors that start at 1, and perhaps a gate that they are multiplied by.

    Attributes:
        scale: One factor for each number. Shape: (O,) or (I,).
    """

    def __init__(self, size: int, read: int, *, use_gating: bool) -> None:
        """Builds fresh factors.

        Args:
            size: How many.
            read: What the gate reads: I of the linear layer.
            use_gating: Whether there is one.
        """
        super().__init__()
        self.scale = nn.Parameter(torch.ones(size))
        self.gate = RowGate(read, None) if use_gating else None

    def factors(self, inputs: Tensor, packing: Packing) -> Tensor:
        """What is multiplied by. Shape: (O,) or (I,), with a gate (N, O) or (N, I)."""
        return self.scale if self.gate is None else self.scale * self.gate(inputs, packing)

    @abstractmethod
    def merged(self, projection: Projection) -> Projection:
        """The linear layer that computes the same by itself, where it has no gate."""


class OutputScale(Scale):
    """A tap that scales what a linear layer computes, with its bias."""

    def forward(
        self, inputs: Tensor, outputs: Tensor, projection: Projection, packing: Packing
    ) -> Tensor:
        """What takes the place of `outputs`; see ProjectionTap."""
        del projection
        return outputs * self.factors(inputs, packing)

    def merged(self, projection: Projection) -> Projection:
        """See Scale."""
        weight = projection.weight * self.scale.unsqueeze(1)
        return Projection(weight, projection.bias * self.scale)


class InputScale(Scale):
    """A tap that scales what a linear layer reads: it adds `W ((l - 1) x)` to its output."""

    def forward(
        self, inputs: Tensor, outputs: Tensor, projection: Projection, packing: Packing
    ) -> Tensor:
        """What takes the place of `outputs`; see ProjectionTap."""
        changed_NI = inputs * (self.factors(inputs, packing) - 1)
        return torch.addmm(outputs, changed_NI, projection.weight.t())

    def merged(self, projection: Projection) -> Projection:
        """See Scale."""
        return Projection(projection.weight * self.scale, projection.bias)


class InnerScale(Scale):
    """A tap that scales what lin2 reads, before lin2 computes anything."""

    def forward(self, values: Tensor, packing: Packing) -> Tensor:
        """What takes the place of `values`; see TokenTap."""
        return values * self.factors(values, packing)

    def merged(self, projection: Projection) -> Projection:
        """See Scale."""
        return Projection(projection.weight * self.scale, projection.bias)


@dataclass(frozen=True)
class TwoTaps:
    """One behind the other, at the same linear layer."""

    first: ProjectionTap
    second: ProjectionTap

    def __call__(
        self, inputs: Tensor, outputs: Tensor, projection: Projection, packing: Packing
    ) -> Tensor:
        """What takes the place of `outputs`; see ProjectionTap."""
        changed_NO = self.first(inputs, outputs, projection, packing)
        return self.second(inputs, changed_NO, projection, packing)
