"""Large batches computed in parts side by side, a share of the cores each.

Cores that compute each product together wait for one another behind every one of them, and where
other threads take turns on them, as those do that read and write requests, all wait for the one
that is late. Parts that are computed apart wait for one another once a batch.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from queue import SimpleQueue
from typing import TYPE_CHECKING, Final

import torch

from polyhead.machine import limit_own_threads

if TYPE_CHECKING:
    from polyhead.serve.reading import AskedExample
    from polyhead.serve.request import Outcome

__all__ = ["Lanes", "split"]

Answer = Callable[[Sequence["AskedExample"]], "dict[AskedExample, Outcome]"]
"""Computes some examples."""

_MOST_LANES: Final = 2
_LEAST_TOKENS: Final = 256
"""Of a batch that is split: the weights are read once for each part."""


class Lanes:
    """Threads that compute parts of a batch. One thread hands them out.

    Attributes:
        n: How many there are; with one, everything is computed by whoever asks.
    """

    def __init__(self, n: int | None = None) -> None:
        """Starts no thread yet.

        Args:
            n: How many; as fits the threads that torch computes with when None.
        """
        self.n = min(_MOST_LANES, torch.get_num_threads()) if n is None else n
        self._todo: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []

    def outcomes(
        self, answer: Answer, examples: Sequence[AskedExample]
    ) -> dict[AskedExample, Outcome]:
        """What `answer` makes of examples, computed in parts where they are many.

        Raises:
            BaseException: What `answer` raised for a part, when all parts are done.
        """
        parts = split(examples, self.n)
        if len(parts) == 1:
            return answer(examples)
        self._start()
        futures = [self._hand_out(answer, part) for part in parts]
        found: dict[AskedExample, Outcome] = {}
        errors = [future.exception() for future in futures]
        for future, error in zip(futures, errors, strict=True):
            if error is not None:
                raise error
            found |= future.result()
        return found

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
                target=self._run,
                args=(share,),
                name=f"polyhead-lane-{number}",
                daemon=True,
            )
            thread.start()
            self._threads.append(thread)

    def _hand_out(
        self, answer: Answer, part: Sequence[AskedExample]
    ) -> Future[dict[AskedExample, Outcome]]:
        future: Future[dict[AskedExample, Outcome]] = Future()

        def compute() -> None:
            try:
                future.set_result(answer(part))
            except BaseException as error:  # noqa: BLE001 - whoever waits gets it, whatever it is
                future.set_exception(error)

        self._todo.put(compute)
        return future

    def _run(self, n_threads: int) -> None:
        limit_own_threads(n_threads)
        while (compute := self._todo.get()) is not None:
            compute()
            del compute


def split(examples: Sequence[AskedExample], n: int) -> list[Sequence[AskedExample]]:
    """The examples in at most `n` parts of about as many tokens; in one where they are few.

    They stay in their order, in which those of one task, or of one text, lie side by side.
    """
    total = sum(example.encoded.n_tokens for example in examples)
    if n < 2 or total < _LEAST_TOKENS:  # noqa: PLR2004 - one lane is none
        return [examples]
    parts: list[list[AskedExample]] = [[] for _ in range(n)]
    before = 0
    for example in examples:
        n_tokens = example.encoded.n_tokens
        parts[min(n - 1, (before + n_tokens // 2) * n // total)].append(example)
        before += n_tokens
    return [part for part in parts if part]
