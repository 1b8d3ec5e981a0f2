"""Parts of the machine that compute apart, a share of the cores each.

Cores that compute each product together wait for one another behind every one of them, and where
other threads take turns on them, as those do that read and write requests, all wait for the one
that is late. Cores that compute different examples wait for nobody: each takes what is next when it
is done.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from queue import SimpleQueue
from typing import TYPE_CHECKING, Final, Generic, TypeVar

import torch

from polyhead.machine import limit_own_threads

if TYPE_CHECKING:
    from polyhead.serve.reading import AskedExample
    from polyhead.serve.scheduling.waiting import Waiting

__all__ = ["Lanes", "split"]

DoneT = TypeVar("DoneT")

_MOST_LANES: Final = 2
_LEAST_TOKENS: Final = 128
"""Of a batch that is split: the weights are read once for each part."""


class Lanes(Generic[DoneT]):
    """Threads that compute. One other thread hands out the work and takes back what is done.

    Attributes:
        n: How many there are.
        n_busy: How many have work that was not taken back yet.
    """

    def __init__(self, n: int | None = None, *, on_done: Callable[[], None] = lambda: None) -> None:
        """Starts no thread yet.

        Args:
            n: How many; as fits the threads that torch computes with when None.
            on_done: Is called by a lane whenever it has done its work.
        """
        self.n = min(_MOST_LANES, torch.get_num_threads()) if n is None else n
        self.n_busy = 0
        self._on_done = on_done
        self._todo: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._done: SimpleQueue[Future[DoneT]] = SimpleQueue()
        self._threads: list[threading.Thread] = []

    @property
    def are_full(self) -> bool:
        """Whether no lane is free."""
        return self.n_busy >= self.n

    def has_done(self) -> bool:
        """Whether a lane has done its work."""
        return not self._done.empty()

    def begin(self, compute: Callable[[], DoneT]) -> None:
        """Has a lane that is free compute something."""
        self._start()
        self.n_busy += 1

        def run() -> None:
            done: Future[DoneT] = Future()
            try:
                done.set_result(compute())
            except BaseException as error:  # noqa: BLE001 - whoever takes it back gets it
                done.set_exception(error)
            self._done.put(done)
            self._on_done()

        self._todo.put(run)

    def take_done(self) -> DoneT:
        """What a lane computed; waits until there is one.

        Raises:
            BaseException: What its work raised.
        """
        done = self._done.get()
        self.n_busy -= 1
        return done.result()

    def close(self) -> None:
        """Ends the threads when they have done what they were given."""
        for _ in self._threads:
            self._todo.put(None)
        self._threads = []

    def _start(self) -> None:
        if self._threads:
            return
        share = max(1, torch.get_num_threads() // self.n)
        for number in range(self.n):
            # a daemon: one that a head holds goes with the process
            thread = threading.Thread(
                target=self._run, args=(share,), name=f"polyhead-lane-{number}", daemon=True
            )
            thread.start()
            self._threads.append(thread)

    def _run(self, n_threads: int) -> None:
        limit_own_threads(n_threads)
        while (run := self._todo.get()) is not None:
            run()
            del run


def split(
    examples: Sequence[Waiting[AskedExample]], n: int
) -> list[Sequence[Waiting[AskedExample]]]:
    """The examples in at most `n` parts of about as many tokens; in one where they are few.

    They stay in their order, in which those of one task, or of one text, lie side by side.
    """
    total = sum(example.n_tokens for example in examples)
    if n < 2 or total < _LEAST_TOKENS:  # noqa: PLR2004 - one lane is none
        return [examples]
    parts: list[list[Waiting[AskedExample]]] = [[] for _ in range(n)]
    before = 0
    for example in examples:
        parts[min(n - 1, (before + example.n_tokens // 2) * n // total)].append(example)
        before += example.n_tokens
    return [part for part in parts if part]
