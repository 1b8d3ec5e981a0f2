"""A linear layer whose products are computed in bfloat16, between tensors of float32.

Dimensions: N tokens, I and O numbers read and written.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from polyhead.encoder import onednn
from polyhead.encoder.frozen_linear import frozen_product
from polyhead.encoder.prepared import Prepared

__all__ = ["Bfloat16Linear"]


class Bfloat16Linear(nn.Module):
    """`x W' + b` with x and W in bfloat16 and sums in float32, on a CPU that has such products.

    What comes in and goes out is float32, so that norms, sums, adapters and heads keep their
    precision.

    Attributes:
        rounded: W in bfloat16. Shape: (O, I).
        bias: Shape: (O,), float32.
    """

    rounded: Tensor
    bias: Tensor

    def __init__(self, linear: nn.Linear) -> None:
        """Takes over the weight of a linear layer.

        Args:
            linear: It is only read.
        """
        super().__init__()
        self.register_buffer("rounded", linear.weight.detach().to(torch.bfloat16))
        self.register_buffer("bias", linear.bias.detach().clone())
        self._packed = Prepared(onednn.packed)

    @property
    def weight(self) -> Tensor:
        """W as it is multiplied with, in the bias's type, made anew in each call. Shape: (O, I)."""
        return self.rounded.to(self.bias.dtype)

    def forward(self, inputs: Tensor, *, gelu: bool = False) -> Tensor:
        """Shape: (N, I) -> (N, O); with `gelu`, the exact GELU of it."""
        return frozen_product(self, inputs, gelu=gelu)

    def product(self, inputs: Tensor, *, gelu: bool = False) -> Tensor:
        """See `Frozen`."""
        outputs = self._half_product(inputs.to(torch.bfloat16)).to(inputs.dtype).add_(self.bias)
        return torch.ops.aten.gelu_(outputs) if gelu else outputs

    def returned(self, gradient: Tensor) -> Tensor:
        """See `Frozen`."""
        return (gradient.to(torch.bfloat16) @ self.rounded).to(gradient.dtype)

    def _half_product(self, inputs: Tensor) -> Tensor:
        if not (len(inputs) and inputs.device.type == "cpu" and onednn.is_there(torch.bfloat16)):
            return functional.linear(inputs, self.rounded)
        return onednn.product(inputs, self._packed.of(self.rounded), None)

    def _apply(self, fn: Any, recurse: bool = True) -> Any:
        self._packed.forget()  # the weight moves
        rounded = self.rounded
        applied = super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        # whatever type a model is asked to have: model.float() shall leave it as it is
        self.rounded = rounded.to(self.rounded.device)
        return applied
