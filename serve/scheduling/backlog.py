"""All that waits, what is computed, and whether there is room for more."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Generic, Literal, TypeVar

from polyhead.errors import ConfigError, OverloadedError, UnavailableError, shown
from polyhead.serve.scheduling.pace import Pace
from polyhead.serve.scheduling.waiting import Taken, Waiting, WaitingQueue

if TYPE_CHECKING:
    from polyhead.serve.settings import EngineSettings

__all__ = ["Backlog", "BacklogFigures", "Dropped", "Priority", "check_asked"]

WhatT = TypeVar("WhatT")

Priority = Literal["interactive", "bulk"]
"""Whether somebody waits for an answer, or it only fills what others leave of a batch."""

_PRIORITIES: Final[tuple[Priority, ...]] = ("interactive", "bulk")
_LEAST_BUDGET: Final = 64
_SHARE: Final = 0.25
"""Of the time that all that waits takes, what one batch may take even if that is above its target.

Large batches compute more tokens a second, and whoever comes waits for longer than that anyway.
"""


@dataclass(frozen=True)
class Dropped(Generic[WhatT]):
    """Examples that were not computed.

    Attributes:
        examples: Which.
        at: When they were dropped, in seconds of the engine's clock.
        code: Why.
    """

    examples: Sequence[Waiting[WhatT]]
    at: float
    code: str


@dataclass(frozen=True)
class BacklogFigures:
    """How much there is to do.

    Attributes:
        n_waiting: Examples that wait.
        waiting_tokens: What they cost.
        wait_s: How long one would wait that came now.
        idle_s: Seconds since the oldest batch that is computed was begun, or since one was begun or
            done where none is; 0 where there is nothing to do.
        is_draining: Whether nothing more is taken.
    """

    n_waiting: int
    waiting_tokens: int
    wait_s: float
    idle_s: float
    is_draining: bool


class Backlog(Generic[WhatT]):
    """Examples that wait in two queues; any threads add to them, and one takes batches out.

    Attributes:
        pace: How fast batches are computed.
    """

    def __init__(self, settings: EngineSettings, clock: Callable[[], float]) -> None:
        """Starts with nothing to do.

        Args:
            settings: How long batches and waits may be.
            clock: Seconds since any moment.
        """
        self.pace = Pace()
        self._settings = settings
        self._clock = clock
        self._changed = threading.Condition()  # with a lock that its owner may take again
        self._queues: dict[Priority, WaitingQueue[WhatT]] = {
            priority: WaitingQueue() for priority in _PRIORITIES
        }
        self._taken: Taken[WhatT] = Taken(0)  # while it is filled
        self._computing: dict[Waiting[WhatT], float] = {}  # taken and not finished; since when
        self._dropped: list[Dropped[WhatT]] = []  # what observers are not told yet
        self._is_draining = False
        self._is_closed = False
        self._moved = clock()  # when a batch was last begun or done, or the first of some came

    @property
    def is_closed(self) -> bool:
        """Whether nothing more is computed."""
        return self._is_closed

    def add(
        self, waiting: Sequence[Waiting[WhatT]], priority: Priority, timeout_s: float | None
    ) -> Callable[[], None]:
        """Lets examples wait, all of them or none.

        Args:
            waiting: The examples.
            priority: How urgent they are.
            timeout_s: How long their answers are of use; None for ever.

        Returns:
            What takes them out again, those that are not computed by then.

        Raises:
            OverloadedError: They would wait too long.
            UnavailableError: Nothing more is taken.
        """
        queue = self._queues[priority]
        with self._changed:
            self._check_room(priority, {example.task for example in waiting}, timeout_s)
            if not self._n_open():
                self._moved = self._clock()
            for example in waiting:
                queue.add(example)
            self._changed.notify_all()

        def drop() -> None:
            with self._changed:
                dropped = [example for example in waiting if queue.drop(example)]
                self._note_dropped(dropped, "cancelled")

        return drop

    def check_room(self, priority: Priority, tasks: Collection[Hashable]) -> None:
        """Raises what `add` would raise now for a short example of each task.

        Raises:
            OverloadedError: It would wait too long.
            UnavailableError: Nothing more is taken.
        """
        with self._changed:
            self._check_room(priority, tasks, None)

    def next(
        self, *, n_parts: int = 1, until: Callable[[], bool] = lambda: False
    ) -> Taken[WhatT] | None:
        """Waits for something to do, and takes it out.

        Args:
            n_parts: Of how many parts of the machine one computes it.
            until: Nothing is waited for any more when this is so; it is asked after each `wake`.

        Returns:
            A batch, perhaps with nothing in it; None once the backlog is closed.
        """
        with self._changed:
            self._changed.wait_for(
                lambda: self._is_closed or until() or self._has_waiting() or self._dropped
            )
            if self._is_closed:
                return None
            self._moved = self._clock()
            batch = self._taken = Taken(self._budget() // n_parts)
            for priority in _PRIORITIES:  # bulk fills what others leave
                self._queues[priority].take(batch, self._moved)
            self._computing |= dict.fromkeys((*batch.examples, *batch.late), self._moved)
            self._taken = Taken(0)
            self._note_dropped(batch.late, "expired")
            return batch

    def wake(self) -> None:
        """Has whoever waits for something to do look whether that is still wanted."""
        with self._changed:
            self._changed.notify_all()

    def finish(self, examples: Sequence[Waiting[WhatT]]) -> None:
        """Takes note that examples of a batch have their outcomes."""
        with self._changed:
            for example in examples:
                self._computing.pop(example, None)  # given up meanwhile, perhaps
            self._moved = self._clock()
            self._changed.notify_all()

    def give_up(self, code: str, *, computing: bool = False) -> list[Waiting[WhatT]]:
        """Takes out all that waits, and what is computed too if that is said.

        Args:
            code: Why, for observers.
            computing: Whether what is computed is given up with it.
        """
        with self._changed:
            found = [example for queue in self._queues.values() for example in queue.drain()]
            if computing:
                found += [*self._computing, *self._taken.examples, *self._taken.late]
                self._computing, self._taken = {}, Taken(0)
            self._note_dropped(found, code)
            return found

    def taken_dropped(self) -> list[Dropped[WhatT]]:
        """What was dropped and is not told yet; from now on it is."""
        with self._changed:
            dropped, self._dropped = self._dropped, []
            return dropped

    def drain(self) -> None:
        """Takes nothing more; what waits is still there to be computed."""
        with self._changed:
            self._is_draining = True
            self._changed.notify_all()

    def close(self) -> None:
        """Ends it: whoever waits for something to do goes home."""
        with self._changed:
            self._is_draining = self._is_closed = True
            self._changed.notify_all()

    def wait_until_closed(self, timeout_s: float) -> None:
        """Waits until it is closed, or so long."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_closed, timeout_s)

    def wait_until_empty(self, timeout_s: float | None) -> bool:
        """Waits until there is nothing to do, and returns whether that is so."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._n_open(), timeout_s)

    def figures(self) -> BacklogFigures:
        """How much there is to do now."""
        with self._changed:
            return BacklogFigures(
                n_waiting=sum(map(len, self._queues.values())),
                waiting_tokens=sum(queue.n_tokens for queue in self._queues.values()),
                wait_s=self._wait_s("interactive", ()),
                idle_s=self._idle_s(),
                is_draining=self._is_draining,
            )

    # below, the lock is held by whoever calls

    def _n_open(self) -> int:
        return sum(map(len, self._queues.values())) + len(self._computing)

    def _idle_s(self) -> float:
        if not self._n_open():
            return 0.0
        return self._clock() - next(iter(self._computing.values()), self._moved)

    def _has_waiting(self) -> bool:
        return any(map(len, self._queues.values()))

    def _budget(self) -> int:
        """Tokens of the next batch: more where much waits, which large batches shorten."""
        settings = self._settings
        waiting_s = self.pace.seconds(self._queues["interactive"].n_tokens)
        target_s = max(settings.target_s, waiting_s * _SHARE)
        return self.pace.budget(target_s, _LEAST_BUDGET, settings.max_batch_tokens)

    def _note_dropped(self, examples: Sequence[Waiting[WhatT]], code: str) -> None:
        if examples:
            self._dropped.append(Dropped(examples, self._clock(), code))
        self._changed.notify_all()

    def _wait_s(self, priority: Priority, tasks: Collection[Hashable]) -> float:
        """How long examples would wait that came now: bulk for all, others for their like."""
        budget = self._budget()
        ahead = self._queues[priority].ahead_of(tasks, budget)
        if priority == "bulk":
            ahead += self._queues["interactive"].n_tokens
        ahead += sum(example.n_tokens for example in self._computing)
        delay_s = self._queues[priority].delay_s(tasks, self._clock())
        return max(self.pace.wait(ahead, budget), delay_s)

    def _check_room(
        self, priority: Priority, tasks: Collection[Hashable], timeout_s: float | None
    ) -> None:
        if self._is_draining:
            raise UnavailableError(
                "the engine is stopping and takes nothing more.", retry_after_s=1.0
            )
        settings = self._settings
        most = settings.max_wait_s if priority == "interactive" else settings.max_bulk_wait_s
        wait = self._wait_s(priority, tasks) if tasks else 0.0
        if timeout_s is not None and wait > timeout_s:
            raise _overloaded(wait, timeout_s, "the request allows")
        if wait > most:
            raise _overloaded(wait, most, "the engine takes on")
        if sum(queue.n_bytes for queue in self._queues.values()) > settings.max_waiting_bytes:
            raise OverloadedError(
                "too much waits to be computed; try again later.", retry_after_s=max(wait, 1.0)
            )


def check_asked(priority: Priority, timeout_s: float | None) -> None:
    """Refuses what is no priority, or no time.

    Raises:
        ConfigError: One of them is none.
    """
    if priority not in _PRIORITIES:
        raise ConfigError(f"priority is 'interactive' or 'bulk', not {shown(priority)}.")
    is_time = isinstance(timeout_s, int | float) and not isinstance(timeout_s, bool)
    if timeout_s is not None and not (is_time and timeout_s > 0.0):
        raise ConfigError(
            f"timeout_s is a number of seconds above 0, or None for no end, not {shown(timeout_s)}."
        )


def _overloaded(wait: float, most: float, who: str) -> OverloadedError:
    return OverloadedError(
        f"what waits takes about {wait:.1f} s, longer than the {most:g} s that {who}; try again "
        "later.",
        retry_after_s=max(wait - most, 0.1),
    )
