"""How often a tensor was written: what was made of it may be out of date."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["n_writes"]


def n_writes(tensor: Tensor) -> int:
    """How often a tensor was written in place; 0 for one made in inference mode, as uncounted."""
    try:
        return tensor._version  # noqa: SLF001 - torch tells it nowhere else
    except RuntimeError:  # as `is_inference` says, and where `tensor.data` was made in that mode
        return 0
