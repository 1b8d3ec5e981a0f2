"""How far the event loop is behind: what comes in faster than it is parsed waits in there too."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

__all__ = ["LoopLag"]

_NEWS: Final = 0.25
"""What the last round counts for: one that took long, for whatever reason, is no rush."""


class LoopLag:
    """Looks at each request how long one round of the loop takes; an idle loop is left alone."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Starts with a loop that keeps up.

        Args:
            clock: Seconds since any moment.
        """
        self._clock = clock
        self._lag_s = 0.0

    @property
    def seconds(self) -> float:
        """What a round takes lately: each request waits for several."""
        return self._lag_s

    def look(self) -> None:
        """Takes a look; to be called from the loop."""
        asyncio.get_running_loop().call_soon(self._note, self._clock())

    def _note(self, since: float) -> None:
        self._lag_s += _NEWS * (self._clock() - since - self._lag_s)
