"""The way from the page's fields to answers, through the store and the engine."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from polyhead.errors import ExpiredError, InputError, PolyheadError
from polyhead.serve.ui.inputs import Inputs, example_of, fields_of, lines_of

if TYPE_CHECKING:
    from polyhead.serve.engine import Engine
    from polyhead.serve.request import Outcome
    from polyhead.serve.served_task import ServedTask
    from polyhead.serve.store import Lease, TaskRecord, TaskStore

__all__ = ["Answer", "Answers", "Asker", "Limits"]

_log = logging.getLogger("polyhead.ui")
_UNEXPECTED: Final = "the playground failed on this task; the server's log says why."


@dataclass(frozen=True)
class Limits:
    """How much may be asked at once.

    Attributes:
        max_text_chars: Most characters in all fields together.
        max_rows: Most answers: texts times tasks.
        max_body_bytes: Most bytes of what the page sends.
        timeout_s: How long answers are waited for.
    """

    max_text_chars: int = 100_000
    max_rows: int = 1024
    max_body_bytes: int = 2_000_000
    timeout_s: float = 30.0


@dataclass(frozen=True)
class Answer:
    """What one task said.

    Attributes:
        task: Its name.
        record: What the store knows of it; None where that is the problem.
        examples: What it was asked: the text, and behind it those to compare it with.
        outcomes: For each of them the answer or why there is none; one error alone where nothing
            was asked.
    """

    task: str
    record: TaskRecord | None
    examples: Sequence[Mapping[str, Any]]
    outcomes: Sequence[Outcome]


@dataclass(frozen=True)
class Answers:
    """What all tasks said.

    Attributes:
        answers: Of each task, in the order they were picked.
        seconds: From the moment that everything was read until the last answer was there.
        n_tokens: Of all texts, as the tasks read them.
    """

    answers: Sequence[Answer]
    seconds: float = 0.0
    n_tokens: int = 0


@dataclass
class _Asked:
    """A task on its way."""

    name: str
    record: TaskRecord | None = None
    examples: list[dict[str, Any]] = field(default_factory=list)
    served: ServedTask | None = None
    error: PolyheadError | None = None

    def answer(self, outcomes: Mapping[str, Sequence[Outcome]]) -> Answer:
        found = outcomes.get(self.name, ()) if self.error is None else [self.error]
        return Answer(self.name, self.record, self.examples, found)


class Asker:
    """Asks tasks what stands in the page's fields."""

    def __init__(self, engine: Engine, store: TaskStore, limits: Limits) -> None:
        """Asks an engine.

        Args:
            engine: It computes.
            store: It holds the tasks, and keeps those in use where they are.
            limits: How much may be asked at once.
        """
        self._engine = engine
        self._store = store
        self._limits = limits

    async def ask(self, names: Sequence[str], inputs: Inputs) -> Answers:
        """What the tasks say; an error of one stands in its own place.

        Raises:
            InputError: No task was picked, or it is too much at once.
            OverloadedError: More waits already than is answered in time.
            UnavailableError: The engine is not running, or takes nothing more.
        """
        self._check(names, inputs)
        self._engine.check_room("interactive")
        asked = [_Asked(name) for name in dict.fromkeys(names)]
        with ExitStack() as leases:
            await asyncio.gather(*(self._prepare(one, inputs, leases) for one in asked))
            self._check_rows(asked)
            return await self._computed(asked)

    async def _prepare(self, asked: _Asked, inputs: Inputs, leases: ExitStack) -> None:
        """Fills in what is to be asked, or why it cannot be."""
        try:
            asked.record = await asyncio.to_thread(self._store.describe, asked.name)
            lease = await self._lease(asked.name)
            leases.enter_context(lease)
            asked.served = lease.task
            asked.examples = _examples(asked.record, inputs)
        except PolyheadError as error:
            asked.error = error
        except Exception:  # noqa: BLE001 - one task must not take the others' answers with it
            _log.exception("the task %r could not be asked", asked.name)
            asked.error = PolyheadError(_UNEXPECTED)

    async def _lease(self, name: str) -> Lease:
        future = self._store.acquire(name)
        try:
            waiting = asyncio.shield(asyncio.wrap_future(future))
            return await asyncio.wait_for(waiting, self._limits.timeout_s)
        except TimeoutError:
            future.add_done_callback(_release)
            raise ExpiredError(
                f"the task {name!r} was not loaded in {self._limits.timeout_s:g} s; ask again."
            ) from None
        except asyncio.CancelledError:
            future.add_done_callback(_release)
            raise

    async def _computed(self, asked: Sequence[_Asked]) -> Answers:
        values: dict[str | ServedTask, Sequence[object]] = {
            one.served: one.examples for one in asked if one.served and one.error is None
        }
        if not values:
            return Answers([one.answer({}) for one in asked])
        reading = await asyncio.to_thread(self._engine.read, values)
        began = time.perf_counter()
        request = self._engine.enqueue(reading, timeout_s=self._limits.timeout_s)
        try:
            await asyncio.shield(asyncio.wrap_future(request.done))
        except asyncio.CancelledError:
            request.give_up()
            raise
        seconds = time.perf_counter() - began
        answers = [one.answer(request.outcomes) for one in asked]
        return Answers(answers, seconds, reading.n_tokens)

    def _check(self, names: Sequence[str], inputs: Inputs) -> None:
        if not names:
            raise InputError("no task is picked; pick one or more.")
        most = self._limits.max_text_chars
        if inputs.n_chars > most:
            raise InputError(
                f"the fields hold {inputs.n_chars} characters, and {most} are read at most; "
                "shorten the texts."
            )

    def _check_rows(self, asked: Iterable[_Asked]) -> None:
        n_rows = sum(len(one.examples) for one in asked)
        if n_rows > self._limits.max_rows:
            raise InputError(
                f"these are {n_rows} texts for the tasks to answer, and {self._limits.max_rows} "
                "are answered at most; pick fewer tasks or give fewer lines."
            )


def _examples(record: TaskRecord, inputs: Inputs) -> list[dict[str, Any]]:
    example = example_of(record, inputs)
    if "others" not in fields_of(record):
        return [example]
    return [example, *({"text": line} for line in lines_of(inputs.others))]


def _release(future: Future[Lease]) -> None:
    if not future.cancelled() and future.exception() is None:
        future.result().release()
