"""The matrix products that torch has on this machine, each as bare as it can be called.

Dimensions: N rows, I columns read, O columns written.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

import torch
from torch import Tensor
from torch.nn import functional

from polyhead.contracts import EncoderShape

__all__ = ["Kernel", "Multiply", "kernels", "layer_sizes", "operand"]

Multiply: TypeAlias = Callable[[Tensor], Tensor]
"""Multiplies rows with weights that it holds. Shape: (N, I) -> (N, O)."""

_INT8_LARGEST: Final = 127
_UINT8_ZERO: Final = 128


def _as_they_are(inputs_NI: Tensor) -> Tensor:
    """The inputs themselves."""
    return inputs_NI


@dataclass(frozen=True)
class Kernel:
    """One way to compute a linear layer.

    Attributes:
        name: What tables call it.
        prepared: Takes weights, (O, I), and the number of rows they will meet, and does to them
            what a frozen encoder can do beforehand.
        read: Makes of inputs, (N, I), what the kernel reads in their place.
    """

    name: str
    prepared: Callable[[Tensor, int], Multiply]
    read: Callable[[Tensor], Tensor] = _as_they_are


def kernels(dtype: torch.dtype) -> tuple[Kernel, ...]:
    """The kernels for `dtype` that work on this machine; the first of them always does.

    Args:
        dtype: float32, bfloat16, float16 or int8.
    """
    first, *others = _INT8 if dtype == torch.int8 else _FLOAT
    return (first, *(kernel for kernel in others if _works(kernel, dtype)))


def layer_sizes(shape: EncoderShape) -> tuple[tuple[int, int], ...]:
    """I and O of the products of one encoder layer: q, k and v in one, out, lin1, lin2."""
    width, inner = shape.width, shape.ffn_width
    return (width, 3 * width), (width, width), (width, inner), (inner, width)


def operand(n_rows: int, n_columns: int, dtype: torch.dtype) -> Tensor:
    """A matrix of random numbers. Shape: (n_rows, n_columns)."""
    draw = torch.Generator().manual_seed(0)  # the caller's random numbers stay as they are
    size = (n_rows, n_columns)
    if dtype == torch.int8:
        return torch.randint(-_INT8_LARGEST, _INT8_LARGEST + 1, size, dtype=dtype, generator=draw)
    return torch.randn(size, generator=draw).to(dtype)


def _works(kernel: Kernel, dtype: torch.dtype) -> bool:
    try:
        kernel.prepared(operand(32, 32, dtype), 32)(kernel.read(operand(32, 32, dtype)))
    except (AttributeError, NotImplementedError, RuntimeError, TypeError):
        return False  # this build of torch, or this processor, does not have it
    return True


def _linear(weight_OI: Tensor, n_rows: int) -> Multiply:  # noqa: ARG001 - as every kernel
    bias_O = weight_OI.new_zeros(weight_OI.shape[0])
    return lambda inputs_NI: functional.linear(inputs_NI, weight_OI, bias_O)


def _packed_linear(weight_OI: Tensor, n_rows: int) -> Multiply:
    bias_O = weight_OI.new_zeros(weight_OI.shape[0])
    packed = torch.ops.mkldnn._reorder_linear_weight(weight_OI, n_rows)  # noqa: SLF001 - no other name
    linear = torch.ops.mkldnn._linear_pointwise.default  # noqa: SLF001 - likewise
    return lambda inputs_NI: linear(inputs_NI, packed, bias_O, "none", [], "")


def _int_mm(weight_OI: Tensor, n_rows: int) -> Multiply:  # noqa: ARG001 - as every kernel
    weight_IO = weight_OI.t()
    multiply = torch._int_mm  # noqa: SLF001 - has no other name
    return lambda inputs_NI: multiply(inputs_NI, weight_IO)


def _packed_int8(weight_OI: Tensor, n_rows: int) -> Multiply:
    packed = torch.ops.onednn.qlinear_prepack(weight_OI, [n_rows, weight_OI.shape[1]])
    scale_O = torch.ones(weight_OI.shape[0])
    no_shift_O = torch.zeros(weight_OI.shape[0], dtype=torch.int64)
    linear = torch.ops.onednn.qlinear_pointwise.default

    def multiply(inputs_NI: Tensor) -> Tensor:
        scaled = (inputs_NI, 1.0, _UINT8_ZERO, packed, scale_O, no_shift_O, None)
        found: Tensor = linear(*scaled, 1.0, 0, torch.float32, "none", [], "")
        return found

    return multiply


def _without_sign(inputs_NI: Tensor) -> Tensor:
    """int8 as uint8, 128 in place of 0."""
    return inputs_NI.view(torch.uint8).bitwise_xor(_UINT8_ZERO)


_FLOAT: Final = (Kernel("linear", _linear), Kernel("oneDNN packed", _packed_linear))
_INT8: Final = (
    Kernel("int_mm", _int_mm),
    Kernel("oneDNN packed", _packed_int8, _without_sign),
)
