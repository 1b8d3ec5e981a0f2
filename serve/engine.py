"""One thread that answers examples of any tasks, in batches, for whoever asks.

    with ph.Engine(model) as engine:
        futures = [engine.submit(text, "sentiment") for text in texts]
        answers = [future.result() for future in futures]

Examples wait, not calls: those of any tasks and callers are computed together. A batch is begun as
soon as cores are free, with what waits then; nothing waits for a timer.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from polyhead.contracts import Prediction
from polyhead.errors import InputError, UnavailableError, shown
from polyhead.model.prediction import as_list
from polyhead.serve.answering import Answering, broken
from polyhead.serve.reading import AskedExample, Reading, as_waiting, read
from polyhead.serve.reporting import Reporting
from polyhead.serve.scheduling.backlog import Backlog, Priority, check_asked
from polyhead.serve.scheduling.breakers import Breakers
from polyhead.serve.served_task import ServedTask
from polyhead.serve.settings import EngineSettings
from polyhead.serve.worker import Worker

if TYPE_CHECKING:
    from polyhead.model import DistilBertModelWithHeads
    from polyhead.serve.observing import EngineObserver
    from polyhead.serve.request import Request

__all__ = ["Engine", "EngineHealth", "Priority"]


@dataclass(frozen=True)
class EngineHealth:
    """How an engine does.

    Attributes:
        is_running: Whether its thread is there and has warmed up.
        is_draining: Whether it takes nothing more.
        is_stalled: Whether examples wait or are computed, and nothing came of it for too long.
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
        self._breakers = Breakers(self.settings.failures_to_break, self.settings.break_s, clock)
        self._backlog: Backlog[AskedExample] = Backlog(self.settings, clock)
        self._worker = Worker(
            model,
            self._backlog,
            answering=Answering(model, self._breakers, self.settings.slow_head_s),
            reporting=Reporting(self.observers),
            settings=self.settings,
            clock=clock,
        )

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
        if self._backlog.is_closed:
            raise UnavailableError("the engine was closed; make a new one.")
        self._worker.start()

    def close(self, drain_s: float | None = 30.0) -> None:
        """Answers what waits, and stops.

        Args:
            drain_s: After so many seconds what still waits is given up; None for never.
        """
        self.drain()
        if self._worker.is_alive and not self._worker.is_current:  # an observer may close it
            self.wait_until_empty(drain_s)
        self._backlog.close()
        self._worker.end()

    def drain(self) -> None:
        """Takes nothing more; what waits is still answered."""
        self._backlog.drain()

    def wait_until_empty(self, timeout_s: float | None = None) -> bool:
        """Waits until nothing waits and nothing is computed.

        Returns:
            Whether that is so.
        """
        return self._backlog.wait_until_empty(timeout_s)

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
        check_asked(priority, timeout_s)
        if reading.examples:
            self._check_started()
            waiting = as_waiting(reading.examples, self._clock(), timeout_s)
            request.when_given_up(self._backlog.add(waiting, priority, timeout_s))
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
        check_asked(priority, None)
        self._check_started()
        self._backlog.check_room(priority, set(tasks))

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
        return request.only_answer()

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
        return await asyncio.wrap_future(request.only_answer())

    @property
    def is_ready(self) -> bool:
        """Whether it takes examples and answers them."""
        return self.health().is_ready

    def health(self) -> EngineHealth:
        """How it does now."""
        figures = self._backlog.figures()
        return EngineHealth(
            is_running=self._worker.is_warm,
            is_draining=figures.is_draining,
            is_stalled=figures.idle_s > self.settings.stall_s,
            n_waiting=figures.n_waiting,
            waiting_tokens=figures.waiting_tokens,
            tokens_per_s=self._backlog.pace.tokens_per_s,
            estimated_wait_s=figures.wait_s,
            n_restarts=self._worker.n_restarts,
        )

    def forget(self, task: ServedTask) -> None:
        """Forgets what is known of a task that is gone."""
        self._breakers.forget(task.key)

    def _check_started(self) -> None:
        if not self._worker.is_alive and not self._backlog.figures().is_draining:
            raise UnavailableError("the engine is not started; call engine.start() first.")

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


def _served(task: str | ServedTask) -> ServedTask:
    if isinstance(task, ServedTask):
        return task
    if not isinstance(task, str):
        raise InputError(f"task must be a task's name, not {shown(task)}.")
    return ServedTask(task, task)
