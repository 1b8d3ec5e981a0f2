"""How fast batches are computed, learnt from those that were.

A batch of N tokens takes about `fixed + N * per_token` seconds: what every pass costs, and what
each token adds. Both are fitted by least squares, where older batches count for less.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

__all__ = ["Pace"]

_MEMORY: Final = 0.97
"""What a batch still counts for when the next one is done: about the last 30 of them count."""

_PRIOR_PER_TOKEN_S: Final = 0.001
"""Before anything was computed: slow enough to take on too little rather than too much."""

_MOST_OFF: Final = 4.0
"""A batch that takes so many times more or less than expected tells of something else besides: of a
head that was slow, or of examples that were not computed."""

_FEW: Final = 2.0
"""Batches that are taken as they come: nothing is expected yet."""

_LEAST_PER_TOKEN_S: Final = 1e-9
_LEAST_SPREAD: Final = 0.01
"""Variance of the batches' tokens over their squared mean, from which on a line can be fitted."""

_MOST_FIXED: Final = 0.9
"""Of a batch's mean time: more cannot be told from noise."""


@dataclass
class Pace:
    """The cost of batches. One thread learns; reading is safe from any.

    Attributes:
        fixed_s: Seconds that a batch takes whatever it holds.
        per_token_s: Seconds that each token adds.
    """

    fixed_s: float = 0.0
    per_token_s: float = _PRIOR_PER_TOKEN_S
    _weight: float = 0.0
    _tokens: float = 0.0
    _seconds: float = 0.0
    _tokens_squared: float = 0.0
    _tokens_seconds: float = 0.0

    @property
    def tokens_per_s(self) -> float:
        """The rate of long batches."""
        return 1.0 / self.per_token_s

    def learn(self, n_tokens: int, seconds: float) -> None:
        """Takes note of a batch."""
        if self._weight >= _FEW:
            expected = self.seconds(n_tokens)
            seconds = min(max(seconds, expected / _MOST_OFF), expected * _MOST_OFF)
        self._weight = self._weight * _MEMORY + 1.0
        self._tokens = self._tokens * _MEMORY + n_tokens
        self._seconds = self._seconds * _MEMORY + seconds
        self._tokens_squared = self._tokens_squared * _MEMORY + n_tokens**2
        self._tokens_seconds = self._tokens_seconds * _MEMORY + n_tokens * seconds
        self.fixed_s, self.per_token_s = self._fit()

    def seconds(self, n_tokens: int) -> float:
        """What a batch of that size takes."""
        return self.fixed_s + n_tokens * self.per_token_s

    def budget(self, target_s: float, least: int, most: int) -> int:
        """How many tokens a batch may have.

        Args:
            target_s: The seconds that it may take.
            least: At least so many, since smaller batches cost more than they hold.
            most: At most so many.
        """
        fitting = (target_s - self.fixed_s) / self.per_token_s
        return int(min(max(fitting, least), most))

    def wait(self, n_tokens: int, budget: int) -> float:
        """The seconds until so many waiting tokens are computed, in batches of `budget`."""
        if not n_tokens:
            return 0.0
        return math.ceil(n_tokens / budget) * self.fixed_s + n_tokens * self.per_token_s

    def _fit(self) -> tuple[float, float]:
        """The line that fits best, of those that start at or above 0 and rise."""
        mean_tokens = max(self._tokens / self._weight, 1.0)
        mean_seconds = self._seconds / self._weight
        spread = self._weight * self._tokens_squared - self._tokens**2
        if spread > _LEAST_SPREAD * self._tokens**2:
            joint = self._weight * self._tokens_seconds - self._tokens * self._seconds
            fixed = mean_seconds - joint / spread * mean_tokens
        else:  # batches of one size tell nothing of what a pass costs whatever it holds
            fixed = self.fixed_s
        fixed = min(max(fixed, 0.0), _MOST_FIXED * mean_seconds)
        return fixed, max((mean_seconds - fixed) / mean_tokens, _LEAST_PER_TOKEN_S)
