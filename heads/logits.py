"""Reading a head's logits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from polyhead.errors import InputError

if TYPE_CHECKING:
    from polyhead.contracts import HeadOutput

__all__ = ["checked_logits", "logits_of"]


def logits_of(output: HeadOutput) -> Tensor:
    """`output` of a head that computes one tensor, its logits."""
    if not isinstance(output, Tensor):
        raise TypeError(f"this head's output is one tensor, not a {type(output).__name__}")
    return output


def checked_logits(output: HeadOutput, unit: str = "row") -> Tensor:
    """Logits out of the graph, in float32 on the CPU. Shape: (B, K) -> (B, K).

    Args:
        output: Of a head that computes one tensor.
        unit: What each of them is of, for the message.

    Raises:
        InputError: A number is not finite, so that no answer can be read from it.
    """
    logits_BK = logits_of(output).detach().to("cpu", torch.float32)
    is_finite_B = torch.isfinite(logits_BK).all(dim=1)
    if not bool(is_finite_B.all()):
        row = int(is_finite_B.logical_not().nonzero()[0, 0])
        raise InputError(
            f"the logits of {unit} {row + 1} are not finite numbers; the weights of this head or "
            "its adapter are damaged, or their training diverged."
        )
    return logits_BK
