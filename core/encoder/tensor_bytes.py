"""The bytes of a tensor, digested where they lie."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Digest", "add_bytes"]


class Digest(Protocol):
    """One of hashlib's."""

    def update(self, data: ctypes.Array[ctypes.c_ubyte], /) -> None:
        """Takes in further bytes."""
        ...


def add_bytes(digest: Digest, tensor: Tensor) -> None:
    """Digests a tensor's bytes in place; through ctypes, since torch works without NumPy."""
    dense = tensor.detach().cpu().contiguous()
    buffer = (ctypes.c_ubyte * dense.nbytes).from_address(dense.data_ptr())
    digest.update(buffer)
