"""One thread that answers examples of any tasks, in batches, for whoever asks.

    with ph.Engine(model) as engine:
        futures = [engine.submit(text, "sentiment") for text in texts]
        answers = [future.result() for future in futures]

Examples wait, not calls: those of any tasks and callers are computed together. A batch is begun as
soon as the last one is done, with what waits then; nothing waits for a timer.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from copy import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, Self

from polyhead.contracts import Prediction
from polyhead.errors import (
    ConfigError,
    ExpiredError,
    InputError,
    OverloadedError,
    PolyheadError,
    UnavailableError,
    shown,
)
from polyhead.model.prediction import as_list
from polyhead.serve.answering import Answering, broken
from polyhead.serve.codes import code_of
from polyhead.serve.reading import AskedExample, Reading, read
from polyhead.serve.reporting import Reporting
from polyhead.serve.scheduling.breakers import Breakers
from polyhead.serve.scheduling.pace import Pace
from polyhead.serve.scheduling.waiting import Taken, Waiting, WaitingQueue
from polyhead.serve.served_task import ServedTask
from polyhead.serve.settings import EngineSettings
from polyhead.serve.warm_up import warm_up

if TYPE_CHECKING:
    from polyhead.model import DistilBertModelWithHeads
    from polyhead.serve.observing import EngineObserver
    from polyhead.serve.request import Request

__all__ = ["Engine", "EngineHealth", "Priority"]

Priority = Literal["interactive", "bulk"]
"""Whether somebody waits for an answer, or it only fills what others leave of a batch."""

_PRIORITIES: Final[tuple[Priority, ...]] = ("interactive", "bulk")
_LEAST_BUDGET: Final = 64
_FIRST_RESTART_S: Final = 0.1
_LONGEST_RESTART_S: Final = 5.0
_LASTING_S: Final = 60.0
"""A thread that worked for so long did not die of its start."""
_JOIN_S: Final = 5.0

_log = logging.getLogger("polyhead.engine")


@dataclass(frozen=True)
class EngineHealth:
    """How an engine does.

    Attributes:
        is_running: Whether its thread is there and has warmed up.
        is_draining: Whether it takes nothing more.
        is_stalled: Whether examples wait, and none was finished for too long.
        n_waiting: Examples that wait.
        waiting_tokens: What they cost.
        tokens_per_s: How fast they are computed.
        estimated_wait_s: How long one would wait that came now.
        n_restarts: How often the thread died and was started again.
    """

    is_running: bool
    is_draining: bool
    is_stalled: bool
    n_waiting: int
    waiting_tokens: int
    tokens_per_s: float
    estimated_wait_s: float
    n_restarts: int

    @property
    def is_ready(self) -> bool:
        """Whether it takes examples and answers them."""
        return self.is_running and not self.is_draining and not self.is_stalled


class Engine:
    """Answers examples of a model's tasks, from any threads and event loops.

    What is asked is first read (turned into tokens) by the caller's thread, then waits, and is
    computed by the engine's own. An example that fails, fails alone; a task that keeps failing is
    given up for a while; a thread that dies is started anew, and nobody waits for it in vain.

    Attributes:
        model: It holds the tasks. They may come and go; those in use must stay.
        settings: As given.
        observers: Are told of each batch; may be added to before the engine is started.
    """

    def __init__(
        self,
        model: DistilBertModelWithHeads,
        settings: EngineSettings | None = None,
        *,
        observers: Sequence[EngineObserver] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Makes an engine that is not started yet.

        Args:
            model: Whose tasks are asked.
            settings: How long batches and waits may be; `EngineSettings()` when None.
            observers: Are told of each batch.
            clock: Seconds since any moment.
        """
        self.model = model
        self.settings = settings if settings is not None else EngineSettings()
        self.observers: list[EngineObserver] = list(observers)
        self._clock = clock
        self._reporting = Reporting(self.observers)
        self._breakers = Breakers(self.settings.failures_to_break, self.settings.break_s, clock)
        self._answering = Answering(model, self._breakers, self.settings.slow_head_s)
        self._pace = Pace()
        self._changed = threading.Condition()
        self._queues: dict[Priority, WaitingQueue[AskedExample]] = {
            priority: WaitingQueue() for priority in _PRIORITIES
        }
        self._batch: Taken[AskedExample] = Taken(0)  # what is computed now
        self._dropped: list[_Dropped] = []  # what observers are not told yet
        self._thread: threading.Thread | None = None
        self._is_running = False
        self._is_draining = False
        self._is_closed = False
        self._n_restarts = 0
        self._moved = clock()  # when something was last begun or done

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> None:
        """Starts the thread, and returns at once; what is asked before it has warmed up waits.

        Raises:
            UnavailableError: The engine was closed.
        """
        with self._changed:
            if self._is_closed:
                raise UnavailableError("the engine was closed; make a new one.")
            if self._thread is None:
                self._start_thread(0.0)

    def close(self, drain_s: float | None = 30.0) -> None:
        """Answers what waits, and stops.

        Args:
            drain_s: After so many seconds what still waits is given up; None for never.
        """
        self.drain()
        is_own_thread = self._thread is threading.current_thread()  # an observer may close it
        if self._thread is not None and not is_own_thread:
            self.wait_until_empty(drain_s)
        with self._changed:
            self._is_closed = True
        error = UnavailableError("the engine was stopped before this was computed.")
        self._give_up(error)
        if self._thread is not None and not is_own_thread:
            self._thread.join(_JOIN_S)  # one that a head holds for longer goes with the process
            self._give_up(error, computing=True)
        self._is_running = False

    def drain(self) -> None:
        """Takes nothing more; what waits is still answered."""
        with self._changed:
            self._is_draining = True
            self._changed.notify_all()

    def wait_until_empty(self, timeout_s: float | None = None) -> bool:
        """Waits until nothing waits and nothing is computed.

        Returns:
            Whether that is so.
        """
        with self._changed:
            return self._changed.wait_for(lambda: not self._n_open(), timeout_s)

    def read(
        self, values: Mapping[str | ServedTask, Sequence[object]], *, private: bool = False
    ) -> Reading:
        """Reads examples, so that they can wait. Any thread may; it takes the thread's time.

        An example that cannot be used has its InputError as its outcome then.

        Args:
            values: For each task, or its name in the model, a text, a pair, a mapping or an example
                of its head, or a list of these.
            private: Whether the model's caches must not know of them.

        Raises:
            UnknownTaskError: There is no such task.
            InputError: A task is named by what is no name, or twice, or asked no examples at all.
        """
        named = {_served(task): as_list(found) for task, found in values.items()}
        if len({task.name for task in named}) < len(values):
            raise InputError("a task is asked twice; give all of its examples together.")
        reading = read(self.model, named, private=private)
        return self._without_broken(reading)

    def enqueue(
        self,
        reading: Reading,
        *,
        priority: Priority = "interactive",
        timeout_s: float | None = None,
    ) -> Request:
        """Lets what was read wait, all of it or nothing.

        Args:
            reading: What `read` returned.
            priority: How urgent it is.
            timeout_s: After so many seconds the answers are no longer wanted; None for never.

        Returns:
            The request, whose `done` is set when every example has its outcome.

        Raises:
            OverloadedError: More waits already than is answered in time.
            UnavailableError: The engine is not running, or takes nothing more.
            ConfigError: There is no such priority, or the time is none.
        """
        request = reading.request
        _check_arguments(priority, timeout_s)
        if not reading.examples:
            return request
        now = self._clock()
        deadline = None if timeout_s is None else now + timeout_s
        waiting = _waiting(reading.examples, now, deadline)
        with self._changed:
            self._check_room(priority, {example.task for example in waiting}, timeout_s)
            if not self._n_open():
                self._moved = now
            queue = self._queues[priority]
            for example in waiting:
                queue.add(example)
            self._changed.notify_all()
        request.when_given_up(lambda: self._forget(queue, waiting))
        return request

    def check_room(self, priority: Priority = "interactive", tasks: Iterable[str] = ()) -> None:
        """Raises what `enqueue` would raise now for one short example of each task.

        Args:
            priority: How urgent it is.
            tasks: The tasks' names; without any, it is looked whether anything is taken at all.

        Raises:
            OverloadedError: More waits already than is answered in time.
            UnavailableError: The engine is not running, or takes nothing more.
        """
        _check_arguments(priority, None)
        with self._changed:
            self._check_room(priority, set(tasks), None)

    def submit(
        self,
        example: object,
        task: str | ServedTask,
        *,
        priority: Priority = "interactive",
        timeout_s: float | None = None,
        private: bool = False,
    ) -> Future[Prediction]:
        """Asks one example, and returns at once.

        Args:
            example: A text, a pair as a tuple, a mapping or an example of the task's head.
            task: The task.
            priority: How urgent it is.
            timeout_s: After so many seconds the answer is no longer wanted; None for never.
            private: Whether the model's caches must not know of it.

        Returns:
            The answer to come, or what was raised in its place: an InputError for an example that
            cannot be used, an EngineError for what the engine did not answer, a ContractError for a
            head that failed. One that is cancelled is not computed, if that is not too late.

        Raises:
            UnknownTaskError: There is no such task.
            OverloadedError: More waits already than is answered in time.
            UnavailableError: The engine is not running, or takes nothing more.
        """
        reading = self.read({task: [example]}, private=private)
        request = self.enqueue(reading, priority=priority, timeout_s=timeout_s)
        return _only_answer(request)

    async def asubmit(
        self,
        example: object,
        task: str | ServedTask,
        *,
        priority: Priority = "interactive",
        timeout_s: float | None = None,
        private: bool = False,
    ) -> Prediction:
        """As `submit`, for an event loop: the answer itself, or what was raised in its place.

        Args:
            example: As `submit` takes it.
            task: Likewise.
            priority: Likewise.
            timeout_s: Likewise.
            private: Likewise.

        Raises:
            PolyheadError: As `submit` and its answer.
        """
        reading = await asyncio.to_thread(self.read, {task: [example]}, private=private)
        request = self.enqueue(reading, priority=priority, timeout_s=timeout_s)
        return await asyncio.wrap_future(_only_answer(request))

    @property
    def is_ready(self) -> bool:
        """Whether it takes examples and answers them."""
        return self.health().is_ready

    def health(self) -> EngineHealth:
        """How it does now."""
        with self._changed:
            is_late = self._clock() - self._moved > self.settings.stall_s
            return EngineHealth(
                is_running=self._is_running and self._is_alive(),
                is_draining=self._is_draining,
                is_stalled=bool(self._n_open()) and is_late,
                n_waiting=sum(map(len, self._queues.values())),
                waiting_tokens=sum(queue.n_tokens for queue in self._queues.values()),
                tokens_per_s=self._pace.tokens_per_s,
                estimated_wait_s=self._wait_s("interactive", ()),
                n_restarts=self._n_restarts,
            )

    def forget(self, task: ServedTask) -> None:
        """Forgets what is known of a task that is gone."""
        self._breakers.forget(task.key)

    # everything below that names no lock is called with it held, or by the engine's thread

    def _is_alive(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def _n_open(self) -> int:
        return sum(map(len, self._queues.values())) + len(self._batch.examples)

    def _budget(self) -> int:
        settings = self.settings
        return self._pace.budget(settings.target_s, _LEAST_BUDGET, settings.max_batch_tokens)

    def _wait_s(self, priority: Priority, tasks: Collection[Hashable]) -> float:
        """How long examples would wait that came now: bulk for all, others for their like."""
        budget = self._budget()
        ahead = self._queues[priority].ahead_of(tasks, budget)
        if priority == "bulk":
            ahead += self._queues["interactive"].n_tokens
        ahead += sum(example.n_tokens for example in self._batch.examples)
        return self._pace.wait(ahead, budget)

    def _check_room(
        self, priority: Priority, tasks: Collection[Hashable], timeout_s: float | None
    ) -> None:
        if self._is_draining or self._is_closed:
            raise UnavailableError(
                "the engine is stopping and takes nothing more.", retry_after_s=1.0
            )
        if not self._is_alive():
            raise UnavailableError("the engine is not started; call engine.start() first.")
        settings = self.settings
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

    def _without_broken(self, reading: Reading) -> Reading:
        """A reading whose examples of tasks that are given up have their errors."""
        refused: dict[ServedTask, float | None] = {}
        for example in reading.examples:
            task = example.asked.served
            if task not in refused:
                refused[task] = self._breakers.refused_for(task.key)
        left = []
        for example in reading.examples:
            seconds = refused[example.asked.served]
            if seconds is None:
                left.append(example)
            else:
                error = broken(example.asked.served.name, seconds)
                reading.request.settle(example.asked.served, example.place, error)
        return Reading(reading.request, left, reading.n_tokens)

    def _forget(
        self, queue: WaitingQueue[AskedExample], waiting: Sequence[Waiting[AskedExample]]
    ) -> None:
        """Takes out examples that nobody wants any more."""
        with self._changed:
            dropped = [example for example in waiting if queue.drop(example)]
            self._dropped.append(_Dropped(dropped, self._clock(), "cancelled"))
            self._changed.notify_all()

    def _start_thread(self, delay_s: float) -> None:
        self._thread = threading.Thread(
            target=self._supervised, args=(delay_s,), name="polyhead-engine", daemon=True
        )
        self._thread.start()

    def _supervised(self, delay_s: float) -> None:
        """The engine's thread: when it dies, those who wait know, and another takes its place."""
        started = self._clock()
        try:
            with self._changed:
                self._changed.wait_for(lambda: self._is_closed, delay_s)
            warm_up(self.model, self._pace, self.settings.max_batch_tokens)
            with self._changed:
                self._is_running = True
            self._work()
        except BaseException as error:  # noqa: BLE001 - a thread that is gone answers nobody
            self._is_running = False
            _log.exception("the engine's thread died")
            if self._clock() - started > _LASTING_S:
                delay_s = 0.0
            try:
                self._give_up(_died(error), computing=True)
            finally:
                self._restart(min(max(2 * delay_s, _FIRST_RESTART_S), _LONGEST_RESTART_S))

    def _restart(self, delay_s: float) -> None:
        with self._changed:
            if not self._is_closed:
                self._n_restarts += 1
                self._start_thread(delay_s)

    def _work(self) -> None:
        """Computes batch after batch until the engine is closed."""
        while self._next():
            for example in self._batch.late:
                _settle(example, ExpiredError("there was no answer in the time that was allowed."))
            if self._batch.examples:
                self._compute()
            with self._changed:
                self._batch = Taken(0)
                self._moved = self._clock()
                self._changed.notify_all()

    def _next(self) -> bool:
        """Waits for something to do, and takes it; returns False once the engine is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_closed or self._has_waiting() or self._dropped)
            is_open = not self._is_closed
            if is_open:
                self._take()
            dropped, self._dropped = self._dropped, []
        for each in dropped:
            self._reporting.dropped(each.examples, each.at, each.code)
        return is_open

    def _has_waiting(self) -> bool:
        return any(len(queue) for queue in self._queues.values())

    def _take(self) -> None:
        """Takes out the next batch, and what came too late for it."""
        self._moved = self._clock()
        self._batch = Taken(self._budget())
        for priority in _PRIORITIES:  # bulk fills what others leave
            self._queues[priority].take(self._batch, self._moved)
        self._dropped.append(_Dropped(self._batch.late, self._moved, "expired"))

    def _compute(self) -> None:
        """Answers the batch that was taken."""
        batch = self._batch.examples
        began = self._clock()
        started = time.perf_counter()
        outcomes = self._answering.outcomes([example.what for example in batch])
        seconds = time.perf_counter() - started
        self._pace.learn(sum(example.n_tokens for example in batch), seconds)
        for example in batch:
            _settle(example, outcomes[example.what])
        self._reporting.computed(batch, outcomes, began, seconds)

    def _give_up(self, error: UnavailableError, *, computing: bool = False) -> None:
        """Gives everything that waits this outcome, and what is computed too if that is said."""
        with self._changed:
            found = [example for queue in self._queues.values() for example in queue.drain()]
            if computing:
                found += self._batch.examples + self._batch.late
                self._batch = Taken(0)
            self._dropped.append(_Dropped(found, self._clock(), code_of(error)))
            self._changed.notify_all()
        for example in found:
            _settle(example, copy(error))  # each waiter raises its own


@dataclass(frozen=True)
class _Dropped:
    """Examples that were not computed.

    Attributes:
        examples: Which.
        at: When they were dropped, in seconds of the engine's clock.
        code: Why.
    """

    examples: Sequence[Waiting[AskedExample]]
    at: float
    code: str


def _served(task: str | ServedTask) -> ServedTask:
    if isinstance(task, ServedTask):
        return task
    if not isinstance(task, str):
        raise InputError(f"task must be a task's name, not {shown(task)}.")
    return ServedTask(task, task)


def _check_arguments(priority: Priority, timeout_s: float | None) -> None:
    if priority not in _PRIORITIES:
        raise ConfigError(f"priority is 'interactive' or 'bulk', not {shown(priority)}.")
    is_time = isinstance(timeout_s, int | float) and not isinstance(timeout_s, bool)
    if timeout_s is not None and not (is_time and timeout_s > 0.0):
        raise ConfigError(
            f"timeout_s is a number of seconds above 0, or None for no end, not {shown(timeout_s)}."
        )


def _died(error: BaseException) -> UnavailableError:
    reason = f"{type(error).__name__}: {' '.join(str(error).split())}".removesuffix(": ")
    return UnavailableError(
        f"the engine's thread died with this in it ({reason}); it is started again.",
        retry_after_s=1.0,
    )


def _settle(example: Waiting[AskedExample], outcome: Prediction | PolyheadError) -> None:
    example.what.request.settle(example.what.asked.served, example.what.place, outcome)


def _waiting(
    examples: Sequence[AskedExample], now: float, deadline: float | None
) -> list[Waiting[AskedExample]]:
    """The examples as they wait; those of several tasks that read the same rows know each other."""
    waiting = [
        Waiting(
            example,
            example.asked.served.name,
            example.encoded.n_tokens,
            example.n_bytes,
            now,
            deadline,
        )
        for example in examples
    ]
    if len({example.asked.served for example in examples}) > 1:
        by_rows: dict[object, list[Waiting[AskedExample]]] = {}
        for one in waiting:
            rows = tuple((row.ids, row.positions) for row in one.what.encoded.rows)
            by_rows.setdefault(rows, []).append(one)
        for mates in by_rows.values():
            for one in mates:
                one.mates = mates
    return waiting


def _only_answer(request: Request) -> Future[Prediction]:
    """The answer to the only example of a request."""
    answer: Future[Prediction] = Future()

    def settle(_: Future[None]) -> None:
        [[outcome]] = request.outcomes.values()
        if not answer.set_running_or_notify_cancel():
            return
        if isinstance(outcome, PolyheadError):
            answer.set_exception(outcome)
        else:
            answer.set_result(outcome)

    answer.add_done_callback(lambda found: request.give_up() if found.cancelled() else None)
    request.done.add_done_callback(settle)
    return answer


def _overloaded(wait: float, most: float, who: str) -> OverloadedError:
    return OverloadedError(
        f"what waits takes about {wait:.1f} s, longer than the {most:g} s that {who}; try again "
        "later.",
        retry_after_s=max(wait - most, 0.1),
    )
