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
    through the weight as it was rounded, and past the rounding of x.

    Attributes:
        rounded: W, rounded. Shape: (O, I), int8.
        scale: What an output's row of `rounded` is multiplied with. Shape: (O,).
        bias: Shape: (O,).
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
        levels = _LEVELS if has_whole_dot_products() else _LEVELS_WITHOUT_DOT_PRODUCTS
        weight = linear.weight.detach()
        scale = weight.abs().amax(1).clamp_(min=_TINIEST) / levels
        rounded = (weight / scale.unsqueeze(1)).round_().to(torch.int8)
        self.register_buffer("rounded", rounded)
        self.register_buffer("scale", scale)
        self.register_buffer("bias", linear.bias.detach().clone())
        self._packed: Tensor | None = None

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
            return inputs.new_empty(0, len(self.scale))
        rounded_NI, scale_N1 = _rounded(inputs)
        outputs_NO = self._sums(rounded_NI)
        torch.addcmul(self.bias, outputs_NO, scale_N1, out=outputs_NO)
        return torch.ops.aten.gelu_(outputs_NO) if gelu else outputs_NO

    def returned(self, gradient: Tensor) -> Tensor:
        """See `Frozen`."""
        return (gradient * self.scale) @ self.rounded.to(gradient.dtype)

    def _apply(self, fn: Any, recurse: bool = True) -> Any:
        self._packed = None  # what it was made of moves
        return super()._apply(fn, recurse)  # type: ignore[no-untyped-call]

    def __getstate__(self) -> dict[str, Any]:
        """What a copy takes over: all but what it prepares for itself."""
        return self.__dict__ | {"_packed": None}

    def _sums(self, rounded_NI: Tensor) -> Tensor:
        """The products of tokens and weights, times the scale of each output. Shape: (N, O)."""
        if not _has_packed_products():
            sums_NO = functional.linear(rounded_NI.float() - _MIDDLE, self.rounded.float())
            return sums_NO * self.scale
        if self._packed is None:
            self._packed = torch.ops.onednn.qlinear_prepack(
                self.rounded, [1, self.rounded.shape[1]]
            )
        return _packed_sums(rounded_NI, self._packed, self.scale)


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


def _packed_sums(rounded_NI: Tensor, packed: Tensor, scale_O: Tensor) -> Tensor:
    """See `Int8Linear._sums`; `packed` is laid out as oneDNN's kernels read it."""
    no_shift = torch.zeros(1, dtype=torch.int64).expand(len(scale_O))
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


@cache
def _has_packed_products() -> bool:
    """Whether torch has oneDNN's products of 8 bits here, and they are right."""
    generator = torch.Generator().manual_seed(0)
    levels = _LEVELS if has_whole_dot_products() else _LEVELS_WITHOUT_DOT_PRODUCTS
    weight = torch.randint(-levels, levels + 1, (48, 64), dtype=torch.int8, generator=generator)
    inputs = torch.randint(1, 256, (8, 64), dtype=torch.uint8, generator=generator)
    weight[0], inputs[0] = levels, 255  # the largest sums
    try:
        packed = torch.ops.onednn.qlinear_prepack(weight, [1, 64])
        sums = _packed_sums(inputs, packed, torch.ones(48))
    except (RuntimeError, AttributeError, TypeError):  # another torch, or another processor
        return False
    return torch.equal(sums, functional.linear(inputs.float() - _MIDDLE, weight.float()))
