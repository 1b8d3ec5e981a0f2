"""Which sums of adapters' weights have a meaning."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

__all__ = ["why_not_whole"]

_ROUNDING: Final = 1e-6  # of shares that the caller divided


def why_not_whole(shares: Sequence[float], what: str) -> str | None:
    """Why shares that do not add up to 1 mean nothing where a part is there whatever its weights.

    Args:
        shares: What the weights of each adapter are multiplied with.
        what: That part, for the message: "a prefix".

    Returns:
        The end of a sentence, as `Adapter.why_no_sum` returns it; None where they add up to 1.
    """
    total = math.fsum(shares)
    if abs(total - 1) < _ROUNDING:
        return None
    return (
        f"{what} of any weights changes what the encoder computes, so the shares must add up to 1, "
        f"not {total:g}; give such, or normalize_weights=True."
    )
