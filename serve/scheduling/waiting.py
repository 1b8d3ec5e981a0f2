"""The examples that wait, and which of them are computed next: fair by tokens between tasks.

Each task has a counter of the tokens that were computed for it, and the task with the lowest one
goes first: thousands of examples of one task take nothing from a single one of another. A task that
comes back from being idle starts where the others are, and not with what it saved meanwhile.

Source: Sheng et al. 2024, "Fairness in Serving Large Language Models", arXiv:2401.00588 (virtual
token counters); Goyal et al. 1996, "Start-time Fair Queueing" (virtual time).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from itertools import count
from typing import Final, Generic, TypeVar

__all__ = ["Taken", "Waiting", "WaitingQueue"]

WhatT = TypeVar("WhatT")

_QUANTUM: Final = 0.25
"""The share of a batch that a task may take before another's turn: its texts share an adapter."""

_WATCHED_S: Final = 8.0
"""For how long, at most, it is remembered how fast a task was served."""

_MOST_IDLE: Final = 1024
"""Counters of tasks without examples that are kept before those of no more use are dropped."""

_MOST_PAST: Final = 64
"""Deadlines of examples that wait no more, beyond as many as do, that are kept until looked at."""


@dataclass(eq=False)
class Waiting(Generic[WhatT]):
    """An example of one task that waits to be computed.

    Attributes:
        what: What is computed.
        task: Whose turn it takes.
        n_tokens: What it costs.
        n_bytes: What it holds of memory, about.
        since: When it came, in seconds of the engine's clock.
        deadline: When its answer is no longer wanted, likewise; None for never.
        mates: Examples, perhaps itself among them, that read the same rows: best computed with it.
        is_out: Whether it waits no more.
    """

    what: WhatT
    task: Hashable
    n_tokens: int
    n_bytes: int = 0
    since: float = 0.0
    deadline: float | None = None
    mates: Sequence[Waiting[WhatT]] = ()
    is_out: bool = False


@dataclass(eq=False)
class _Line(Generic[WhatT]):
    """The examples of one task, in the order in which they came.

    Attributes:
        counter: Tokens computed in its turns, and those that stand for the time when it was idle.
        began: Since when it is watched, in seconds of the engine's clock.
        n_served: Tokens computed for it since then.
        n_tokens: What its examples cost.
    """

    counter: int
    began: float
    n_served: float = 0.0
    n_tokens: int = 0
    examples: OrderedDict[Waiting[WhatT], None] = field(default_factory=OrderedDict)

    def first(self) -> Waiting[WhatT] | None:
        """The first that waits."""
        return next(iter(self.examples), None)

    def served(self, n_tokens: int, now: float) -> None:
        """Takes note that tokens are computed for it; what was long ago is forgotten."""
        watched_s = now - self.began
        if watched_s > _WATCHED_S:
            self.n_served *= _WATCHED_S / 2 / watched_s
            self.began = now - _WATCHED_S / 2
        self.n_served += n_tokens

    def delay_s(self, now: float) -> float:
        """The seconds until all of it is computed, if that goes on as it did lately."""
        watched_s = max(now - self.began, 0.0)
        return self.n_tokens * watched_s / self.n_served if self.n_served else watched_s


class Taken(Generic[WhatT]):
    """A batch that is filled from one queue after another.

    Attributes:
        examples: Those to be computed.
        late: Those whose answers are no longer wanted, found on the way.
        left: Tokens for which there is room.
    """

    def __init__(self, budget: int) -> None:
        """Starts with none.

        Args:
            budget: Most tokens; an example that has more is taken alone.
        """
        self.examples: list[Waiting[WhatT]] = []
        self.late: list[Waiting[WhatT]] = []
        self.left = budget

    def has_room(self, example: Waiting[WhatT]) -> bool:
        """Whether an example can be added."""
        return example.n_tokens <= self.left or not self.examples

    def add(self, example: Waiting[WhatT]) -> None:
        """Adds an example."""
        self.examples.append(example)
        self.left -= example.n_tokens


class WaitingQueue(Generic[WhatT]):
    """Examples of any tasks. One thread at a time uses it.

    Attributes:
        n_examples: How many wait.
        n_tokens: What all of them cost.
        n_bytes: What they hold of memory, about.
    """

    def __init__(self) -> None:
        """Starts with none."""
        self._numbers = count()
        self._highest = 0  # of all counters
        self._lines: dict[Hashable, _Line[WhatT]]
        self._turns: list[tuple[int, int, Hashable]]  # a heap, each line once
        self._deadlines: list[tuple[float, int, Waiting[WhatT]]]  # a heap
        self._reset()

    def __len__(self) -> int:
        return self.n_examples

    def add(self, example: Waiting[WhatT]) -> None:
        """Lets an example wait behind those of its task."""
        line = self._lines.get(example.task)
        if line is None:
            line = self._lines[example.task] = _Line(self._counter(example.task), example.since)
            self._idle.pop(example.task, None)
            self._queue_up(example.task, line)
        line.examples[example] = None
        line.n_tokens += example.n_tokens
        self.n_examples += 1
        self.n_tokens += example.n_tokens
        self.n_bytes += example.n_bytes
        if example.deadline is not None:
            heappush(self._deadlines, (example.deadline, next(self._numbers), example))

    def drop(self, example: Waiting[WhatT]) -> bool:
        """Takes out an example that is not to be computed.

        Returns:
            Whether it was still waiting.
        """
        if example.is_out:
            return False
        example.is_out = True
        line = self._lines[example.task]
        del line.examples[example]
        line.n_tokens -= example.n_tokens
        self.n_examples -= 1
        self.n_tokens -= example.n_tokens
        self.n_bytes -= example.n_bytes
        if len(self._deadlines) > 2 * self.n_examples + _MOST_PAST:
            self._deadlines = [entry for entry in self._deadlines if not entry[-1].is_out]
            heapify(self._deadlines)
        return True

    def take(self, batch: Taken[WhatT], now: float) -> None:
        """Takes out examples for a batch, as many as it has room for, and all that are late.

        Args:
            batch: Where they are put; an example is there before it waits no more.
            now: The time, in seconds of the engine's clock.
        """
        self._take_late(batch, now)
        passed: list[tuple[int, int, Hashable]] = []
        quantum = _quantum(batch.left)
        while self._turns and batch.left > 0:
            turn = heappop(self._turns)
            task = turn[-1]
            line = self._lines[task]
            is_served = self._take_turn(line, quantum, batch, now)
            if not line.examples:
                self._retire(task, line)
            elif is_served:
                self._queue_up(task, line)
            else:  # what is first does not fit any more; it is first in the next batch
                passed.append(turn)
        for turn in passed:
            heappush(self._turns, turn)
        if not self.n_examples:
            self._reset()

    def ahead_of(self, tasks: Iterable[Hashable], budget: int) -> int:
        """About how many tokens are computed before examples of some tasks that came now.

        Those of these tasks, and of each other one until as much was computed for it, in turns that
        it may end.

        Args:
            tasks: The tasks; without any, it is asked of one that was never there.
            budget: Most tokens of a batch.
        """
        until = self._now
        for task in tasks:
            line = self._lines.get(task)
            own = self._counter(task) if line is None else line.counter + line.n_tokens
            until = max(until, own)
        turn = _quantum(budget)
        return sum(
            min(line.n_tokens, until - line.counter + turn)
            for line in self._lines.values()
            if line.counter <= until
        )

    def delay_s(self, tasks: Iterable[Hashable], now: float) -> float:
        """The seconds that what waits of some tasks takes, if they are served as they were lately.

        Turns are fair: where more comes than is computed, a task that is asked more than others
        waits for them again and again, also for those that are yet to come.

        Args:
            tasks: The tasks.
            now: The time, in seconds of the engine's clock.
        """
        lines = (self._lines.get(task) for task in tasks)
        return max((line.delay_s(now) for line in lines if line is not None), default=0.0)

    def drain(self) -> list[Waiting[WhatT]]:
        """Takes out all that waits."""
        found = [example for line in self._lines.values() for example in line.examples]
        for example in found:
            example.is_out = True
        self._reset()
        return found

    def _reset(self) -> None:
        """Has nothing waiting, whatever was before; nobody owes anything to anyone then."""
        self._now = self._highest  # the counter of the task whose turn was last, when that began
        self._idle: dict[Hashable, int] = {}
        self._most_idle = _MOST_IDLE
        self.n_examples = 0
        self.n_tokens = 0
        self.n_bytes = 0
        self._lines = {}
        self._turns = []
        self._deadlines = []

    def _take_late(self, batch: Taken[WhatT], now: float) -> None:
        """Takes out what is no longer wanted."""
        while self._deadlines and self._deadlines[0][0] <= now:
            *_, example = heappop(self._deadlines)
            if not example.is_out:
                batch.late.append(example)
                self.drop(example)

    def _take_turn(self, line: _Line[WhatT], quantum: int, batch: Taken[WhatT], now: float) -> bool:
        """Takes a task's next examples, with their mates; returns whether there were any.

        The task pays for the mates too: if those did of whom they are, a task that is asked along
        with many others would come to its own turn late or never.
        """
        paid = 0
        while paid < quantum and (first := line.first()) is not None and batch.has_room(first):
            for example in (first, *first.mates):
                if not example.is_out and batch.has_room(example):
                    batch.add(example)
                    self.drop(example)
                    paid += max(1, example.n_tokens)
        if paid:
            self._now = max(self._now, line.counter)
            line.counter += paid
            line.served(paid, now)
            self._highest = max(self._highest, line.counter)
        return paid > 0

    def _counter(self, task: Hashable) -> int:
        """Where a task starts that has nothing waiting."""
        return max(self._now, self._idle.get(task, 0))

    def _queue_up(self, task: Hashable, line: _Line[WhatT]) -> None:
        heappush(self._turns, (line.counter, next(self._numbers), task))

    def _retire(self, task: Hashable, line: _Line[WhatT]) -> None:
        """Forgets a task that has nothing waiting, but for what it owes."""
        del self._lines[task]
        self._idle[task] = line.counter
        if len(self._idle) > self._most_idle:
            self._idle = {each: owed for each, owed in self._idle.items() if owed > self._now}
            self._most_idle = max(_MOST_IDLE, 2 * len(self._idle))


def _quantum(budget: int) -> int:
    """How many tokens a task may take before another's turn."""
    return max(1, int(budget * _QUANTUM))
