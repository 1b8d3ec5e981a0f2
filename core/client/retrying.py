"""When to ask once more, and after how long."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from polyhead.client.replies import retry_after
from polyhead.client.steps import Call, Lost, Pause, Reply, Send, Talk
from polyhead.errors import ServerError

__all__ = ["Retrying"]

_LATER: Final = frozenset({429, 503})
"""Statuses that say: not now."""
_FIRST_S: Final = 0.1
_LONGEST_S: Final = 10.0
_SHORTEST_S: Final = 0.001
"""What a try gets at least: 0 would be no limit."""
_SPREAD: Final = 0.25
"""Of a wait, so that callers who were sent away together do not come back together."""


@dataclass(frozen=True)
class Retrying:
    """Asks, and asks again what was refused for now or did not get through.

    Attributes:
        retries: How often again.
        clock: Seconds since any moment.
        chance: A random number from 0 to 1.
    """

    retries: int
    clock: Callable[[], float] = time.monotonic
    chance: Callable[[], float] = random.random

    def reply_to(self, call: Call, timeout_s: float) -> Talk[Reply]:
        """The server's last word on `call`, whatever it is.

        Args:
            call: What to ask.
            timeout_s: For all tries and the waits between them.

        Raises:
            ServerError: There was no reply.
        """
        deadline = self.clock() + timeout_s
        n_before = 0
        while True:
            said = yield Send(call, max(deadline - self.clock(), _SHORTEST_S))
            if said is None:
                raise RuntimeError("a Send was not told its reply.")
            wait_s = self._wait_s(said, n_before)
            is_over = n_before >= self.retries or self.clock() + wait_s >= deadline
            if not is_over and _is_worth_it(call, said):
                yield Pause(wait_s)
                n_before += 1
            elif isinstance(said, Lost):
                raise _unreachable(said)
            else:
                return said

    def _wait_s(self, said: Reply | Lost, n_before: int) -> float:
        told_s = retry_after(said) if isinstance(said, Reply) else None
        wait_s = min(_FIRST_S * 2.0**n_before, _LONGEST_S) if told_s is None else told_s
        return wait_s * (1 + _SPREAD * self.chance())


def _is_worth_it(call: Call, said: Reply | Lost) -> bool:
    if isinstance(said, Reply):
        return said.status in _LATER
    return not said.is_timeout and (call.is_repeatable or not said.was_sent)


def _unreachable(lost: Lost) -> ServerError:
    if lost.is_timeout:
        return ServerError(
            f"the server did not answer in time ({lost.reason}); give it longer with timeout_s=.",
            code="timeout",
        )
    return ServerError(
        f"the server cannot be reached ({lost.reason}); see that it runs and that the address is "
        "right.",
        code="unreachable",
    )
