"""A head's output as numbers to read answers from."""

from __future__ import annotations

import torch
from torch import Tensor

from polyhead.contracts import HeadOutput
from polyhead.errors import InputError

__all__ = ["finite", "finite_logits"]


def finite_logits(output: HeadOutput) -> Tensor:
    """The output of a head that computes one tensor, in float32 on the CPU.

    Raises:
        InputError: A number is not finite.
    """
    if not isinstance(output, Tensor):
        raise TypeError(f"this head's output is one tensor, not a {type(output).__name__}")
    return finite(output)


def finite(values: Tensor) -> Tensor:
    """`values` in float32 on the CPU.

    Raises:
        InputError: One is not finite, so that no answer can be read from it.
    """
    values = values.detach().to("cpu", torch.float32)
    if not bool(torch.isfinite(values).all()):
        raise InputError(
            "the logits are not finite numbers; the weights of the model are damaged, or their "
            "training diverged."
        )
    return values
