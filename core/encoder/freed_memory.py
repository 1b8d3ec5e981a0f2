"""Keeping the memory of freed tensors at hand."""

from __future__ import annotations

from functools import cache
from typing import Final

import torch

__all__ = ["keep_freed_memory"]

_LARGEST_BLOCK: Final = 32 * 2**20 - 2**16
"""Just below the largest block that glibc's thresholds follow (DEFAULT_MMAP_THRESHOLD_MAX)."""


@cache
def keep_freed_memory() -> None:
    """Has the C library keep up to 64 MiB of freed memory, in place of a few.

    Each layer makes tensors of megabytes and frees them again. glibc gives such memory back to the
    system each time, which clears the pages that are taken anew: a fifth of the time of a pass. It
    stops doing so for sizes up to that of the largest block that it has seen freed, so one is made
    and freed. Other C libraries lose nothing by it.

    Source: the dynamic thresholds of glibc, mallopt(3), M_MMAP_THRESHOLD.
    """
    torch.empty(_LARGEST_BLOCK, dtype=torch.uint8, device="cpu")
