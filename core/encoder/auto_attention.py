"""Attention by the kernel that suits what it is given.

Dimensions: H heads, W width of a head, D = H * W, N tokens.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from torch import Tensor

from polyhead.encoder.attention import DenseAttention
from polyhead.encoder.length_groups import LengthGroups
from polyhead.encoder.varlen_attention import VarlenAttention, fitting_kernel

if TYPE_CHECKING:
    import torch

    from polyhead.batch import Packing
    from polyhead.contracts import Prefixes

__all__ = ["AutoAttention"]


@dataclass(frozen=True)
class AutoAttention:
    """Flash attention where the tensors of the call let it, else torch's own on equal lengths.

    What decides are the queries themselves: so it follows a model that is moved, and autocast.

    Attributes:
        packing: Where each row lies.
        device: Where the model is.
    """

    packing: Packing
    device: torch.device

    def __call__(self, qkv: Tensor, dropout: float, prefixes: Prefixes | None = None) -> Tensor:
        """See `Attend`."""
        found = None if dropout else self._varlen(qkv)
        if found is None:
            return self._dense(qkv, dropout, prefixes)
        return found.attended(qkv, prefixes)

    def _varlen(self, qkv: Tensor) -> VarlenAttention | None:
        kernel = fitting_kernel(qkv.device, qkv.dtype, qkv.shape[-1])
        if kernel is None:
            return None
        found = self._made.get(kernel)
        if found is None:
            found = self._made[kernel] = VarlenAttention(self.packing, kernel)
        return found

    @cached_property
    def _made(self) -> dict[object, VarlenAttention]:
        return {}

    @cached_property
    def _dense(self) -> DenseAttention:
        return DenseAttention(LengthGroups.of(self.packing, self.device))
