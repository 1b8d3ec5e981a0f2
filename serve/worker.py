"""The thread that computes, and what comes after it when it dies."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from polyhead.errors import ExpiredError, PolyheadError, UnavailableError
from polyhead.machine import give_back_freed_memory
from polyhead.serve.codes import code_of
from polyhead.serve.lanes import Lanes, split
from polyhead.serve.warm_up import warm_up

if TYPE_CHECKING:
    from polyhead.contracts import Prediction
    from polyhead.model import DistilBertModelWithHeads
    from polyhead.serve.answering import Answering
    from polyhead.serve.reading import AskedExample
    from polyhead.serve.reporting import Reporting
    from polyhead.serve.request import Outcome
    from polyhead.serve.scheduling.backlog import Backlog
    from polyhead.serve.scheduling.waiting import Waiting
    from polyhead.serve.settings import EngineSettings

__all__ = ["Worker"]

_FIRST_RESTART_S: Final = 0.1
_LONGEST_RESTART_S: Final = 5.0
_LASTING_S: Final = 60.0
"""A thread that worked for so long did not die of its start."""
_JOIN_S: Final = 5.0
_TIDY_S: Final = 10.0
"""Between two times that freed memory is given back."""

_log = logging.getLogger("polyhead.engine")


@dataclass(frozen=True)
class _Computed:
    """Examples that were computed together.

    Attributes:
        examples: Which.
        outcomes: What became of each.
        began: When, in seconds of the engine's clock.
        seconds: What it took.
        n_parts: Of how many parts of the machine one did it.
    """

    examples: Sequence[Waiting[AskedExample]]
    outcomes: Mapping[AskedExample, Outcome]
    began: float
    seconds: float
    n_parts: int


class Worker:
    """Computes the batches of a backlog in a thread of its own.

    When the thread dies, whoever waits for an answer is told at once, and another takes its place;
    after a longer pause each time that one dies young.

    Attributes:
        n_restarts: How often that was.
    """

    def __init__(
        self,
        model: DistilBertModelWithHeads,
        backlog: Backlog[AskedExample],
        *,
        answering: Answering,
        reporting: Reporting,
        settings: EngineSettings,
        clock: Callable[[], float],
    ) -> None:
        self.n_restarts = 0
        self._model = model
        self._backlog = backlog
        self._answering = answering
        self._reporting = reporting
        self._settings = settings
        self._clock = clock
        self._thread: threading.Thread | None = None
        self._is_warm = False
        self._lanes: Lanes[_Computed] = Lanes(
            1 if model.device.type == "cuda" else settings.lanes, on_done=backlog.wake
        )
        self._lock = threading.Lock()
        self._tidied = clock()

    @property
    def is_alive(self) -> bool:
        """Whether there is a thread, be it one that is still warming up."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def is_warm(self) -> bool:
        """Whether there is a thread that has warmed up."""
        return self._is_warm and self.is_alive

    @property
    def is_current(self) -> bool:
        """Whether the thread is the one that asks."""
        return self._thread is threading.current_thread()

    def start(self) -> None:
        """Starts the thread, once."""
        with self._lock:
            if self._thread is None:
                self._start_thread(0.0)

    def end(self) -> None:
        """Ends the thread of a backlog that was closed, and whoever still waits knows it.

        What is computed just now is still answered, unless a head holds it for longer than seconds:
        then the thread goes with the process.
        """
        error = UnavailableError("the engine was stopped before this was computed.")
        self.give_up(error)
        if self._thread is not None and not self.is_current:
            self._thread.join(_JOIN_S)
            self.give_up(error, computing=True)
        self._lanes.close()
        self._is_warm = False

    def give_up(self, error: UnavailableError, *, computing: bool = False) -> None:
        """Gives everything that waits this outcome, and what is computed too if that is said."""
        for example in self._backlog.give_up(code_of(error), computing=computing):
            _settle(example, copy(error))  # each waiter raises its own

    def _start_thread(self, delay_s: float) -> None:
        thread = threading.Thread(
            target=self._supervised, args=(delay_s,), name="polyhead-engine", daemon=True
        )
        thread.start()
        self._thread = thread  # one that is alive, at any time

    def _supervised(self, delay_s: float) -> None:
        started = self._clock()
        try:
            self._backlog.wait_until_closed(delay_s)
            warm_up(self._model, self._backlog.pace, self._settings.max_batch_tokens)
            self._is_warm = True
            self._work()
        except BaseException as error:  # noqa: BLE001 - a thread that is gone answers nobody
            self._is_warm = False
            _log.exception("the engine's thread died")
            if self._clock() - started > _LASTING_S:
                delay_s = 0.0
            try:
                self.give_up(_died(error), computing=True)
            finally:
                self._restart(min(max(2 * delay_s, _FIRST_RESTART_S), _LONGEST_RESTART_S))

    def _restart(self, delay_s: float) -> None:
        with self._lock:
            if not self._backlog.is_closed:
                self.n_restarts += 1
                self._start_thread(delay_s)

    def _work(self) -> None:
        """Computes batch after batch until the backlog is closed."""
        while self._step():
            pass
        while self._lanes.n_busy:
            self._finish(self._lanes.take_done())

    def _step(self) -> bool:
        """Computes what comes next; a function of its own, so that nothing is held by waiting.

        Returns:
            False once the backlog is closed.
        """
        lanes = self._lanes
        if lanes.are_full or lanes.has_done():
            self._finish(lanes.take_done())
            return True
        batch = self._backlog.next(n_parts=lanes.n if lanes.n_busy else 1, until=lanes.has_done)
        for each in self._backlog.taken_dropped():
            self._reporting.dropped(each.examples, each.at, each.code)
        if batch is None:
            return False
        for example in batch.late:
            _settle(example, ExpiredError("there was no answer in the time that was allowed."))
        self._backlog.finish(batch.late)
        if batch.examples:
            self._begin(batch.examples)
        return True

    def _begin(self, examples: Sequence[Waiting[AskedExample]]) -> None:
        """Has a batch computed: in lanes if it is large or others compute, else by all cores."""
        if self._lanes.n_busy:
            parts = [examples]
        else:
            parts = split(examples, self._lanes.n)
            if len(parts) == 1:
                self._finish(self._computed(examples, n_parts=1))
                return
        for part in parts:
            self._lanes.begin(partial(self._computed, part, n_parts=self._lanes.n))

    def _computed(self, examples: Sequence[Waiting[AskedExample]], *, n_parts: int) -> _Computed:
        """What becomes of examples, computed in this thread by one of some parts of the machine."""
        began = self._clock()
        started = time.perf_counter()
        outcomes = self._answering.outcomes([example.what for example in examples])
        seconds = time.perf_counter() - started
        return _Computed(examples, outcomes, began, seconds, n_parts)

    def _finish(self, done: _Computed) -> None:
        """Gives examples their outcomes."""
        n_tokens = sum(example.n_tokens for example in done.examples)
        self._backlog.pace.learn(n_tokens * done.n_parts, done.seconds)
        for example in done.examples:
            _settle(example, done.outcomes[example.what])
        self._reporting.computed(done.examples, done.outcomes, done.began, done.seconds)
        self._tidy()
        self._backlog.finish(done.examples)

    def _tidy(self) -> None:
        """Keeps a process that lives long from holding what batches of all sizes left behind."""
        if self._clock() - self._tidied > _TIDY_S:
            give_back_freed_memory()
            self._tidied = self._clock()


def _settle(example: Waiting[AskedExample], outcome: Prediction | PolyheadError) -> None:
    example.what.request.settle(example.what.asked.served, example.what.place, outcome)


def _died(error: BaseException) -> UnavailableError:
    reason = f"{type(error).__name__}: {' '.join(str(error).split())}".removesuffix(": ")
    return UnavailableError(
        f"the engine's thread died with this in it ({reason}); it is started again.",
        retry_after_s=1.0,
    )
