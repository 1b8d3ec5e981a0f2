"""The encoder's linear layers, prepared for the machine they run on.

A frozen weight may be laid out as the fastest kernel reads it, or kept in fewer bits: it never
changes, so what is prepared once stays right. Gradients go through to what was read; the weight
gets none.

Dimensions: N tokens, I and O numbers read and written.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from polyhead.encoder import onednn

__all__ = ["EncoderLinear", "Frozen", "frozen_product"]


class Frozen(Protocol):
    """A linear layer that is not trained."""

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
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
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
        self._forward: _Prepared | None = None
        self._backward: _Prepared | None = None

    def forward(self, inputs: Tensor, *, gelu: bool = False) -> Tensor:
        """Shape: (N, I) -> (N, O); with `gelu`, the exact GELU of it."""
        if not self.weight.requires_grad and self._is_fast(inputs):
            return frozen_product(self, inputs, gelu=gelu)
        outputs = functional.linear(inputs, self.weight, self.bias)
        return functional.gelu(outputs) if gelu else outputs

    def product(self, inputs: Tensor, *, gelu: bool = False) -> Tensor:
        """See `Frozen`."""
        prepared = self._forward
        if prepared is None or prepared.version != _version(self.weight):
            prepared = self._forward = _Prepared.of(self.weight, self.weight)
        return onednn.product(inputs, prepared.packed, self.bias, gelu=gelu)

    def returned(self, gradient: Tensor) -> Tensor:
        """See `Frozen`."""
        prepared = self._backward
        if prepared is None or prepared.version != _version(self.weight):
            prepared = self._backward = _Prepared.of(self.weight, self.weight.t().contiguous())
        return onednn.product(gradient, prepared.packed, None)

    def _is_fast(self, inputs: Tensor) -> bool:
        """Whether there is a faster way than torch's own for such inputs."""
        return (
            inputs.device.type == "cpu"
            and inputs.dtype == self.weight.dtype
            and len(inputs) > 0
            and onednn.is_there(inputs.dtype)
            and not torch.is_autocast_enabled("cpu")
        )

    def _apply(self, fn: Any, recurse: bool = True) -> Any:
        self._forward = self._backward = None  # the weight moves, or changes its type
        return super()._apply(fn, recurse)  # type: ignore[no-untyped-call]

    def __getstate__(self) -> dict[str, Any]:
        """What a copy takes over: all but what was prepared, which it prepares for itself."""
        return self.__dict__ | {"_forward": None, "_backward": None}


class _Prepared(NamedTuple):
    """A weight laid out for oneDNN, and the version of the weight that it was made of."""

    version: int
    packed: Tensor

    @classmethod
    def of(cls, weight: Tensor, laid_out: Tensor) -> _Prepared:
        return cls(_version(weight), onednn.packed(laid_out))


def _version(weight: Tensor) -> int:
    """How often a tensor was written in place."""
    return 0 if weight.is_inference() else weight._version  # noqa: SLF001 - torch tells it nowhere else
