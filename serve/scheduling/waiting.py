"""The examples that wait, and which of them are computed next: fair by tokens between tasks.

Each task has a counter of the tokens that were computed for it, and the task with the lowest one
goes first: thousands of examples of one task take nothing from a single one of another. A task that
comes back from being idle starts where the others are, and not with what it saved meanwhile.

Source: Sheng et al. 2024, "Fairness in Serving Large Language Models", arXiv:2401.00588 (virtual
token counters); Goyal et al. 1996, "Start-time Fair Queueing" (virtual time).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count
from typing import Final, Generic, TypeVar

__all__ = ["Taken", "Waiting", "WaitingQueue"]

WhatT = TypeVar("WhatT")

_QUANTUM: Final = 0.25
"""The share of a batch that a task may take before another's turn: its texts share an adapter."""

_TYPICAL_TOKENS: Final = 32
"""Of an example of which nothing is known yet."""

_MOST_IDLE: Final = 1024
"""Counters of tasks without examples that are kept before those of no more use are dropped."""


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
        mates: Examples of other tasks that read the same rows: best computed with it.
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

    def is_late(self, now: float) -> bool:
        """Whether its answer is no longer wanted."""
        return self.deadline is not None and now >= self.deadline


@dataclass(eq=False)
class _Line(Generic[WhatT]):
    """The examples of one task, in the order in which they came.

    Attributes:
        counter: Tokens computed for it, and those that stand for the time when it was idle.
        n_tokens: What its examples cost.
    """

    counter: float
    n_tokens: int = 0
    examples: deque[Waiting[WhatT]] = field(default_factory=deque)

    def first(self) -> Waiting[WhatT] | None:
        """The first that still waits."""
        while self.examples and self.examples[0].is_out:
            self.examples.popleft()
        return self.examples[0] if self.examples else None


class Taken(Generic[WhatT]):
    """The examples of a batch.

    Attributes:
        examples: Those to be computed.
        late: Those whose answers are no longer wanted, found on the way.
        left: Tokens for which there is room.
    """

    def __init__(self, budget: int, must_fit: bool) -> None:
        """Starts with none.

        Args:
            budget: Most tokens.
            must_fit: Whether the first example must fit too.
        """
        self.examples: list[Waiting[WhatT]] = []
        self.late: list[Waiting[WhatT]] = []
        self.left = budget
        self._must_fit = must_fit

    def has_room(self, example: Waiting[WhatT]) -> bool:
        """Whether an example can be added."""
        return example.n_tokens <= self.left or not (self.examples or self._must_fit)

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
        self.n_examples = 0
        self.n_tokens = 0
        self.n_bytes = 0
        self._lines: dict[Hashable, _Line[WhatT]] = {}
        self._turns: list[tuple[float, int, Hashable]] = []  # a heap
        self._idle: dict[Hashable, float] = {}
        self._now: float = 0.0  # the counter of the task whose turn was last
        self._numbers = count()

    def __len__(self) -> int:
        return self.n_examples

    def add(self, example: Waiting[WhatT]) -> None:
        """Lets an example wait behind those of its task."""
        line = self._lines.get(example.task)
        if line is None:
            counter = max(self._now, self._idle.pop(example.task, 0.0))
            line = self._lines[example.task] = _Line(counter)
            self._queue_up(example.task, line)
        line.examples.append(example)
        line.n_tokens += example.n_tokens
        self.n_examples += 1
        self.n_tokens += example.n_tokens
        self.n_bytes += example.n_bytes

    def drop(self, example: Waiting[WhatT]) -> bool:
        """Takes out an example that is not to be computed.

        Returns:
            Whether it was still waiting.
        """
        if example.is_out:
            return False
        example.is_out = True
        self._lines[example.task].n_tokens -= example.n_tokens
        self.n_examples -= 1
        self.n_tokens -= example.n_tokens
        self.n_bytes -= example.n_bytes
        return True

    def take(self, budget: int, now: float, *, must_fit: bool = False) -> Taken[WhatT]:
        """Takes out the examples of the next batch.

        Args:
            budget: Most tokens of the batch.
            now: The time, in seconds of the engine's clock.
            must_fit: Whether the first example must fit too; else it is taken whatever it costs.
        """
        batch: Taken[WhatT] = Taken(budget, must_fit)
        passed: list[tuple[float, int, Hashable]] = []
        quantum = max(1, int(budget * _QUANTUM))
        while self._turns and batch.left > 0:
            turn = heappop(self._turns)
            task = turn[-1]
            line = self._lines[task]
            if turn[0] < line.counter:  # it was computed for since, as another's mate
                self._queue_up(task, line)
                continue
            is_served = self._take_turn(line, quantum, now, batch)
            if line.first() is None:
                self._retire(task, line)
            elif is_served:
                self._queue_up(task, line)
            else:  # what is first does not fit any more; it is first in the next batch
                passed.append(turn)
        for turn in passed:
            heappush(self._turns, turn)
        return batch

    def ahead_of(self, task: Hashable) -> int:
        """About how many tokens are computed before an example of `task` that came now.

        Those of its own task, and of each other one no more than of that: turns are fair.
        """
        own = self._lines[task].n_tokens if task in self._lines else 0
        fair = own + _TYPICAL_TOKENS
        others = sum(
            min(line.n_tokens, fair) for other, line in self._lines.items() if other != task
        )
        return own + others

    def drain(self) -> list[Waiting[WhatT]]:
        """Takes out all that waits."""
        found = [example for line in self._lines.values() for example in line.examples]
        found = [example for example in found if self.drop(example)]
        self._lines.clear()
        self._turns.clear()
        return found

    def _take_turn(self, line: _Line[WhatT], quantum: int, now: float, batch: Taken[WhatT]) -> bool:
        """Takes a task's next examples, with their mates; returns whether there were any."""
        self._now = max(self._now, line.counter)
        own = 0
        while own < quantum and (first := line.first()) is not None:
            if first.is_late(now):
                self.drop(first)
                batch.late.append(first)
                continue
            if not batch.has_room(first):
                break
            own += first.n_tokens
            for example in (first, *first.mates):
                is_wanted = not example.is_out and not example.is_late(now)
                if is_wanted and (example is first or batch.has_room(example)):
                    self.drop(example)
                    batch.add(example)
                    self._charge(example, line)
        return own > 0

    def _charge(self, example: Waiting[WhatT], line: _Line[WhatT]) -> None:
        """Counts what is computed for a task."""
        owner = self._lines.get(example.task, line)
        owner.counter += max(1, example.n_tokens)

    def _queue_up(self, task: Hashable, line: _Line[WhatT]) -> None:
        heappush(self._turns, (line.counter, next(self._numbers), task))

    def _retire(self, task: Hashable, line: _Line[WhatT]) -> None:
        """Forgets a task that has nothing waiting, but for what it owes."""
        del self._lines[task]
        self._idle[task] = line.counter
        if len(self._idle) > _MOST_IDLE:
            self._idle = {each: owed for each, owed in self._idle.items() if owed > self._now}
