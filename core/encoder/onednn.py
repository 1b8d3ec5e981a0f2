"""oneDNN's products with weights that lie in memory as its kernels read them.

Torch has these operators for its own compiler; they are not documented, so `is_there` looks whether
this torch has them and whether they compute what `functional.linear` does.

Dimensions: N tokens, I and O numbers read and written.
"""

from __future__ import annotations

from functools import cache
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["is_there", "packed", "product"]

_OPERATORS: Final = torch.ops.mkldnn

_ROWS: Final = 512
"""The number of tokens that weights are laid out for; others are as fast with them."""

_TOLERANCE: Final = {torch.float32: 1e-4, torch.bfloat16: 1e-1}


@cache
def is_there(dtype: torch.dtype) -> bool:
    """Whether these products can be computed here, in float32 or bfloat16."""
    has_onednn: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    if not has_onednn or dtype not in _TOLERANCE:
        return False
    generator = torch.Generator().manual_seed(0)
    weight, inputs = (
        torch.randn(rows, 32, generator=generator, device="cpu").to(dtype) for rows in (48, 8)
    )
    bias = torch.linspace(-1, 1, 48, device="cpu").to(dtype)
    try:
        ours = [product(inputs, packed(weight), bias, gelu=gelu) for gelu in (False, True)]
    except (RuntimeError, AttributeError, TypeError):  # another torch, or another processor
        return False
    with torch.autocast("cpu", enabled=False):
        plain = functional.linear(inputs, weight, bias)
    pairs = zip(ours, (plain, functional.gelu(plain)), strict=True)
    return all(bool(torch.allclose(one, two, atol=_TOLERANCE[dtype])) for one, two in pairs)


def packed(weight: Tensor) -> Tensor:
    """A weight as the kernels read it; nothing but `product` can use it. Shape: (O, I)."""
    laid_out: Tensor = _OPERATORS._reorder_linear_weight(weight.detach(), _ROWS)  # noqa: SLF001
    return laid_out


def product(inputs: Tensor, weight: Tensor, bias: Tensor | None, *, gelu: bool = False) -> Tensor:
    """What a linear layer computes, outside autograd.

    Args:
        inputs: Shape: (N, I), N at least 1.
        weight: As `packed` returned it.
        bias: Shape: (O,).
        gelu: Whether the exact GELU of it is computed, which costs less here than in a step of its
            own.

    Returns:
        Shape: (N, O).
    """
    after: tuple[str, list[object], str] = ("gelu", [], "none") if gelu else ("none", [], "")
    found: Tensor = _OPERATORS._linear_pointwise(inputs, weight, bias, *after)  # noqa: SLF001
    return found
