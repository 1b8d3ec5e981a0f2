"""The learning rate over a run: a linear rise, then a linear fall to zero."""

from __future__ import annotations

import math

__all__ = ["lr_factor", "n_warmup_steps"]


def n_warmup_steps(n_steps: int, warmup_ratio: float) -> int:
    """Steps in which the learning rate rises, of `n_steps` in all; rounded up."""
    return math.ceil(n_steps * warmup_ratio)


def lr_factor(step: int, n_steps: int, n_warmup: int) -> float:
    """The share of the highest learning rate that a step is taken with.

    Args:
        step: Steps taken before it, so that the first one's is 0.
        n_steps: Steps of the whole run.
        n_warmup: Steps of the rise.

    Returns:
        A number from 0 to 1.

    Source: `get_linear_schedule_with_warmup` of transformers; tested to be equal.
    """
    if step < n_warmup:
        return step / max(1, n_warmup)
    return max(0.0, (n_steps - step) / max(1, n_steps - n_warmup))
