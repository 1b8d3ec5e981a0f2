"""A linear layer whose products are computed in whole numbers of 8 bits.

Dimensions: N tokens, I and O numbers read and written.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from polyhead.encoder.frozen_linear import frozen_product
from polyhead.encoder.instructions import has_whole_dot_products
from polyhead.encoder.prepared import Prepared

__all__ = ["Int8Linear"]

_LEVELS: Final = 127
_LEVELS_WITHOUT_DOT_PRODUCTS: Final = 63
"""Without an instruction of their own, two products of 8 bits are first added in 16 bits, which
255 * 63 * 2 fits and 255 * 127 * 2 does not: oneDNN's sums would be cut off."""
_MIDDLE: Final = 128
"""The kernels read numbers without sign: 128 stands for 0."""
_TINIEST: Final = 1e-12
"""The least scale of a token, so that one of zeros alone is not divided by 0."""


class Int8Linear(nn.Module):
    """`x W' + b`, W in 8 bits with a scale for each output, x in 8 bits with one for each token.

    A token's scale follows from the token alone, so its result does not depend on its batch. Sums
    are exact, in 32 bits; the bias is added in floating point. In training the gradient goes
    through the weight as it was rounded, and past the rounding of x. A token that holds NaN or
    infinity comes out as NaN and infinity throughout.

    Attributes:
        rounded: W, rounded. Shape: (O, I), int8.
        scale: What an output's row of `rounded` is multiplied with. Shape: (O,), float32.
        bias: Shape: (O,), float32.
    """

    rounded: Tensor
    scale: Tensor
    bias: Tensor

    def __init__(self, linear: nn.Linear) -> None:
        """Rounds the weight of a linear layer.

        Args:
            linear: It is only read; its weight is finite.
        """
        super().__init__()
        self._levels = _levels()
        weight = linear.weight.detach()
        scale = weight.abs().amax(1).clamp_(min=_TINIEST) / self._levels
        rounded = (weight / scale.unsqueeze(1)).round_().to(torch.int8)
        self.register_buffer("rounded", rounded)
        self.register_buffer("scale", scale)
        self.register_buffer("bias", linear.bias.detach().clone())
        self._packed = Prepared(_packed)

    @property
    def weight(self) -> Tensor:
        """W as it is multiplied with, made anew in each call. Shape: (O, I)."""
        return self.rounded.to(self.scale.dtype) * self.scale.unsqueeze(1)

    def forward(self, inputs: Tensor, *, gelu: bool = False) -> Tensor:
        """Shape: (N, I) -> (N, O); with `gelu`, the exact GELU of it."""
        return frozen_product(self, inputs, gelu=gelu)

    def product(self, inputs: Tensor, *, gelu: bool = False) -> Tensor:
        """See `Frozen`."""
        if not len(inputs):
            return self.bias.new_empty(0, len(self.bias))
        rounded_NI, scale_N1 = _rounded(inputs.float())  # autocast may bring others
        outputs_NO = self._sums(rounded_NI)
        torch.addcmul(self.bias, outputs_NO, scale_N1, out=outputs_NO)
        return torch.ops.aten.gelu_(outputs_NO) if gelu else outputs_NO

    def returned(self, gradient: Tensor) -> Tensor:
        """See `Frozen`."""
        return (gradient * self.scale) @ self.rounded.to(gradient.dtype)

    def _apply(self, fn: Any, recurse: bool = True) -> Any:
        self._packed.forget()  # the weight moves
        return super()._apply(fn, recurse)  # type: ignore[no-untyped-call]

    def _sums(self, rounded_NI: Tensor) -> Tensor:
        """The products of tokens and weights, times the scale of each output. Shape: (N, O)."""
        if _has_packed_products(self._levels):
            return _packed_sums(rounded_NI, self._packed.of(self.rounded), self.scale)
        return _plain_sums(rounded_NI, self.rounded) * self.scale


def _rounded(inputs_NI: Tensor) -> tuple[Tensor, Tensor]:
    """Each token in 8 bits, 128 for 0, and what its result is multiplied with.

    Returns:
        The numbers, shape (N, I), uint8; and a scale for each token. Shape: (N, 1).
    """
    highest_N1, lowest_N1 = inputs_NI.amax(1, keepdim=True), inputs_NI.amin(1, keepdim=True)
    scale_N1 = torch.maximum(highest_N1, lowest_N1.neg_()).clamp_(min=_TINIEST).div_(_LEVELS)
    # by int8 and the highest bit: torch has no fast way from float to uint8
    rounded_NI = torch.mul(inputs_NI, scale_N1.reciprocal()).round_().to(torch.int8)
    return rounded_NI.view(torch.uint8).bitwise_xor_(_MIDDLE), scale_N1


def _levels() -> int:
    """The largest whole number that a weight becomes, such that all sums are right."""
    if has_whole_dot_products() and _has_packed_products(_LEVELS):
        return _LEVELS
    # without packed products nothing is cut off
    fewer = _LEVELS_WITHOUT_DOT_PRODUCTS
    return fewer if _has_packed_products(fewer) else _LEVELS


def _packed(rounded_OI: Tensor) -> Tensor:
    """A weight as oneDNN's kernels read it."""
    laid_out: Tensor = torch.ops.onednn.qlinear_prepack(rounded_OI, [1, rounded_OI.shape[1]])
    return laid_out


def _packed_sums(rounded_NI: Tensor, packed: Tensor, scale_O: Tensor) -> Tensor:
    """See `Int8Linear._sums`; `packed` is laid out as oneDNN's kernels read it."""
    no_shift = torch.zeros(1, dtype=torch.int64, device="cpu").expand(len(scale_O))
    result: Tensor = torch.ops.onednn.qlinear_pointwise(
        rounded_NI,
        1.0,
        _MIDDLE,
        packed,
        scale_O,
        no_shift,
        None,
        1.0,
        0,
        torch.float32,
        "none",
        [],
        "",
    )
    return result


def _plain_sums(rounded_NI: Tensor, rounded_OI: Tensor) -> Tensor:
    """The products of tokens and weights, where there are no packed ones. Shape: (N, O)."""
    with torch.autocast("cpu", enabled=False):
        return functional.linear(rounded_NI.float() - _MIDDLE, rounded_OI.float())


@cache
def _has_packed_products(levels: int) -> bool:
    """Whether torch has oneDNN's products here, and they are right for weights up to `levels`."""
    generator = torch.Generator().manual_seed(0)

    def drawn(low: int, high: int, *shape: int) -> Tensor:
        return torch.randint(low, high + 1, shape, generator=generator, device="cpu")

    weight = drawn(-levels, levels, 48, 64).to(torch.int8)
    inputs = drawn(1, 255, 8, 64).to(torch.uint8)
    weight[0], inputs[0] = levels, 255  # the largest sums
    try:
        sums = _packed_sums(inputs, _packed(weight), torch.ones(48, device="cpu"))
    except (RuntimeError, AttributeError, TypeError):  # another torch, or another processor
        return False
    return torch.equal(sums, _plain_sums(inputs, weight))
