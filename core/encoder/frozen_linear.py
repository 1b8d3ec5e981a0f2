"""The encoder's linear layers, prepared for the machine they run on.

A frozen weight may be laid out as the fastest kernel reads it, or kept in fewer bits: it never
changes, so what is prepared once stays right. Gradients go through to what was read; the weight
gets none.

Dimensions: N tokens, I and O numbers read and written.
"""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from polyhead.encoder import onednn
from polyhead.encoder.prepared import Prepared

__all__ = ["EncoderLinear", "Frozen", "frozen_product"]


class Frozen(Protocol):
    """A linear layer that is not trained."""

    @property
    def weight(self) -> Tensor:
        """What it multiplies with, in floating point. Shape: (O, I)."""
        ...

    def product(self, inputs: Tensor, *, gelu: bool = False) -> Tensor:
        """What it computes, outside autograd's graph. Shape: (N, I) -> (N, O)."""
        ...

    def returned(self, gradient: Tensor) -> Tensor:
        """The gradient of what it read. Shape: (N, O) -> (N, I)."""
        ...


def frozen_product(layer: Frozen, inputs: Tensor, *, gelu: bool = False) -> Tensor:
    """What a frozen linear layer computes; in autograd's graph where `inputs` are.

    Args:
        layer: The linear layer.
        inputs: Shape: (N, I).
        gelu: Whether the exact GELU of it is computed.

    Returns:
        Shape: (N, O).
    """
    if not (inputs.requires_grad and torch.is_grad_enabled()):
        return layer.product(inputs, gelu=gelu)
    outputs: Tensor = _Product.apply(inputs, layer)  # type: ignore[no-untyped-call]
    return functional.gelu(outputs) if gelu else outputs


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, inputs: Tensor, layer: Frozen) -> Tensor:
        ctx.layer = layer
        return layer.product(inputs)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        if torch.is_grad_enabled():  # the gradient shall have a graph of its own
            return gradient @ ctx.layer.weight, None
        return ctx.layer.returned(gradient), None


class EncoderLinear(nn.Linear):
    """A linear layer in floating point.

    Frozen and on a CPU, it keeps a second copy of its weight as oneDNN's kernels read it, made at
    the first call: up to four times as fast for a few tokens, and a third faster for many.
    """

    def __init__(self, read: int, written: int) -> None:
        """Makes the layer with fresh weights.

        Args:
            read: I.
            written: O.
        """
        super().__init__(read, written)
        self._forward = Prepared(onednn.packed)
        self._backward = Prepared(_packed_transposed)

    def forward(self, inputs: Tensor, *, gelu: bool = False) -> Tensor:
        """Shape: (N, I) -> (N, O); with `gelu`, the exact GELU of it."""
        if self.weight.requires_grad:
            self._forget()  # torch's fused optimizers, for one, write without its being counted
        elif self._is_fast(inputs):
            return frozen_product(self, inputs, gelu=gelu)
        outputs = functional.linear(inputs, self.weight, self.bias)
        return functional.gelu(outputs) if gelu else outputs

    def product(self, inputs: Tensor, *, gelu: bool = False) -> Tensor:
        """See `Frozen`."""
        return onednn.product(inputs, self._forward.of(self.weight), self.bias, gelu=gelu)

    def returned(self, gradient: Tensor) -> Tensor:
        """See `Frozen`."""
        return onednn.product(gradient, self._backward.of(self.weight), None)

    def _is_fast(self, inputs: Tensor) -> bool:
        """Whether there is a faster way than torch's own for such inputs."""
        return (
            inputs.device.type == "cpu"
            and inputs.dtype == self.weight.dtype
            and len(inputs) > 0
            and not self.bias.requires_grad
            and not torch.is_autocast_enabled("cpu")
            and onednn.is_there(inputs.dtype)
        )

    def _apply(self, fn: Any, recurse: bool = True) -> Any:
        self._forget()  # the weight moves, or changes its type
        return super()._apply(fn, recurse)  # type: ignore[no-untyped-call]

    def _forget(self) -> None:
        self._forward.forget()
        self._backward.forget()


def _packed_transposed(weight: Tensor) -> Tensor:
    return onednn.packed(weight.t().contiguous())
