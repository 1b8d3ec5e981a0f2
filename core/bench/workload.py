"""Texts to compute: their lengths spread as those of real ones are, their words random."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

from polyhead.batch import Row

__all__ = ["lengths", "rows"]


def lengths(
    n: int = 256,
    seed: int = 0,
    *,
    median: float = 24,
    sigma: float = 0.7,
    shortest: int = 5,
    longest: int = 128,
) -> tuple[int, ...]:
    """The tokens of `n` texts in the order they arrive, lognormal; about 30 each by default.

    Args:
        n: How many.
        seed: Equal arguments make equal lengths, in any process.
        median: Of the distribution, in tokens.
        sigma: Of the logarithm of a length.
        shortest: A length below is raised to it.
        longest: A length above is cut to it.
    """
    draw = random.Random(seed)  # noqa: S311 - no secret
    drawn = (round(draw.lognormvariate(math.log(median), sigma)) for _ in range(n))
    return tuple(min(max(length, shortest), longest) for length in drawn)


def rows(lengths: Sequence[int], vocab_size: int, seed: int = 0) -> list[Row]:
    """A row of random token ids of each length: what an encoder costs does not depend on them.

    Args:
        lengths: Tokens of each row.
        vocab_size: Ids are below it.
        seed: Equal arguments make equal rows, in any process.
    """
    draw = random.Random(seed)  # noqa: S311 - no secret
    ids = range(vocab_size)
    return [Row(tuple(draw.choices(ids, k=length))) for length in lengths]
