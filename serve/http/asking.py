"""From inputs to outcomes: tasks leased, examples read, the engine asked, the client watched."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from polyhead.contracts import Prediction
from polyhead.errors import (
    EngineError,
    ExpiredError,
    PolyheadError,
    UnknownTaskError,
    shown,
)
from polyhead.names import is_name
from polyhead.serve.codes import code_of
from polyhead.serve.http.access_log import note
from polyhead.serve.http.leases import Leases
from polyhead.serve.http.limits import check_rows, check_texts
from polyhead.serve.http.request_errors import CLIENT_GONE, RequestError

if TYPE_CHECKING:
    from fastapi import Request as HttpRequest

    from polyhead.serve.engine import Engine, Priority
    from polyhead.serve.http.metrics import ServerMetrics
    from polyhead.serve.http.settings import ServerSettings
    from polyhead.serve.reading import Reading
    from polyhead.serve.request import Outcome, Request
    from polyhead.serve.served_task import ServedTask
    from polyhead.serve.store import TaskStore

__all__ = ["Answered", "Asker", "Question", "check_name"]

_INLINE_CHARS: Final = 800
"""Texts this short are read faster than a thread is woken for them."""
_READERS: Final = 2
_GRACE_S: Final = 5.0
"""How long after its time is up the engine may still say so itself."""


@dataclass(frozen=True)
class Question:
    """What is asked.

    Attributes:
        inputs: Examples as heads take them.
        tasks: Names of the tasks, each once.
        version: Of the only task; None for the current one.
        priority: How urgent it is.
        timeout_s: How long the answer is of use; None for the server's default.
        private: Whether caches must not know of it.
        head_kind: The only kind of head that may answer; None for any.
    """

    inputs: Sequence[object]
    tasks: Sequence[str]
    version: str | None = None
    priority: Priority = "interactive"
    timeout_s: float | None = None
    private: bool = False
    head_kind: str | None = None


@dataclass(frozen=True)
class Answered:
    """What became of a question.

    Attributes:
        outcomes: For each task what became of each input.
        tasks: The versions that were asked; a task that could not be loaded has none.
        n_tokens: That the inputs are.
    """

    outcomes: Mapping[str, Sequence[Outcome]]
    tasks: Mapping[str, ServedTask]
    n_tokens: int

    @property
    def first_error(self) -> PolyheadError | None:
        """Why there is no answer at all; None where there is one."""
        first = None
        for outcomes in self.outcomes.values():
            for outcome in outcomes:
                if isinstance(outcome, Prediction):
                    return None
                first = first or outcome
        return first


class Asker:
    """Asks the engine on behalf of requests.

    Attributes:
        settings: The server's.
    """

    def __init__(
        self, engine: Engine, store: TaskStore, settings: ServerSettings, metrics: ServerMetrics
    ) -> None:
        self.settings = settings
        self._engine = engine
        self._store = store
        self._metrics = metrics
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="polyhead-read")

    def close(self) -> None:
        """Ends the threads that read texts."""
        self._readers.shutdown(wait=False)

    async def ask(self, question: Question, http: HttpRequest) -> Answered:
        """Asks, and waits for the outcomes.

        Args:
            question: What is asked.
            http: Where it came from; its body has been read.

        Raises:
            RequestError: The request as a whole is refused, or its client has gone.
        """
        check_rows(len(question.inputs), len(question.tasks), self.settings.max_rows)
        n_chars = check_texts(question.inputs, self.settings.max_text_chars)
        for name in question.tasks:
            check_name(name)
        timeout_s = question.timeout_s or self.settings.default_timeout_s
        deadline = time.monotonic() + timeout_s
        leases = Leases(self._store)
        try:
            self._engine.check_room(question.priority, question.tasks)
            await leases.take(question.tasks, question.version, timeout_s)
            return await self._ask(question, leases, deadline, n_chars, http)
        except (UnknownTaskError, EngineError) as error:
            raise RequestError.of(error) from None
        finally:
            leases.release()

    async def _ask(
        self,
        question: Question,
        leases: Leases,
        deadline: float,
        n_chars: int,
        http: HttpRequest,
    ) -> Answered:
        outcomes: dict[str, Sequence[Outcome]] = {
            name: [error] * len(question.inputs) for name, error in leases.failed.items()
        }
        n_tokens = 0
        if leases.tasks:
            if question.head_kind is not None:
                self._check_kinds(question.head_kind, leases.tasks)
            reading = await self._read(question, leases.tasks, n_chars)
            n_tokens = reading.n_tokens
            left_s = max(deadline - time.monotonic(), 0.001)
            request = self._engine.enqueue(reading, priority=question.priority, timeout_s=left_s)
            await _outcomes_of(request, http, left_s + _GRACE_S)
            outcomes.update(request.outcomes)
        outcomes = {name: outcomes[name] for name in question.tasks}
        self._count(outcomes)
        n_rows = sum(map(len, outcomes.values()))
        note(http.scope, tasks=list(outcomes), n_rows=n_rows, n_tokens=n_tokens)
        return Answered(outcomes, leases.tasks, n_tokens)

    def _check_kinds(self, kind: str, tasks: Mapping[str, ServedTask]) -> None:
        model = self._engine.model
        for name, task in tasks.items():
            own = model.heads[model.task(task.key).head].kind
            if own != kind:
                raise RequestError(
                    400,
                    "wrong_head_kind",
                    f"the task {name!r} has a head of kind {own!r}, and only {kind!r} will do "
                    "here; ask it at /v1/predict.",
                    field="model",
                )

    async def _read(
        self, question: Question, tasks: Mapping[str, ServedTask], n_chars: int
    ) -> Reading:
        values: dict[str | ServedTask, Sequence[object]] = dict.fromkeys(
            tasks.values(), question.inputs
        )
        if n_chars * len(tasks) <= _INLINE_CHARS and len(question.inputs) == 1:
            return self._engine.read(values, private=question.private)
        return await asyncio.get_running_loop().run_in_executor(
            self._readers, lambda: self._engine.read(values, private=question.private)
        )

    def _count(self, outcomes: Mapping[str, Sequence[Outcome]]) -> None:
        for name, found in outcomes.items():
            self._metrics.asked(name, len(found), _codes(found))


def check_name(name: str) -> None:
    """Refuses what cannot be the name of any task, before it goes anywhere.

    Raises:
        RequestError: It cannot.
    """
    if not is_name(name):
        raise RequestError(404, "unknown_task", f"no task {shown(name)}; GET /v1/tasks lists them.")


def _codes(outcomes: Sequence[Outcome]) -> Iterator[str]:
    return (code_of(outcome) for outcome in outcomes if isinstance(outcome, PolyheadError))


async def _outcomes_of(request: Request, http: HttpRequest, timeout_s: float) -> None:
    """Waits until every example has its outcome, or nobody wants them any more.

    Raises:
        RequestError: The client has gone, or the engine let the time pass; the request is given up.
    """
    if request.done.done():
        return
    done: asyncio.Future[None] = asyncio.wrap_future(request.done)
    gone = asyncio.ensure_future(_disconnected(http))
    try:
        await asyncio.wait((done, gone), timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        if done.done():
            return
        if not gone.done():  # the engine should have said so itself
            raise RequestError.of(ExpiredError("there was no answer in the time that was allowed."))
        raise RequestError(CLIENT_GONE, "cancelled", "the client did not wait for the answer.")
    finally:
        gone.cancel()
        if not request.done.done():
            request.give_up()


async def _disconnected(http: HttpRequest) -> None:
    while (await http.receive())["type"] != "http.disconnect":
        pass
