"""Examples as they came, turned into rows before they wait."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from polyhead.model.answer_keys import AnswerContext, AnswerKeys
from polyhead.serve.failures import FAILURES, told
from polyhead.serve.request import Request
from polyhead.serve.scheduling.waiting import Waiting
from polyhead.serve.served_task import ServedTask

if TYPE_CHECKING:
    from polyhead.caches import ResultCache
    from polyhead.contracts import Encoded, Head
    from polyhead.model import DistilBertModelWithHeads
    from polyhead.model.prediction import Question
    from polyhead.model.task import Task

__all__ = ["AskedExample", "AskedTask", "Reading", "as_waiting", "read"]

_BYTES_PER_TOKEN = 100
_BYTES_PER_EXAMPLE = 2000
"""About what Python's objects take."""


@dataclass(frozen=True, eq=False)
class AskedTask:
    """A task as a request asks it.

    Attributes:
        served: What it is called.
        task: What the model knows of it.
        head: Its head, as it was when the examples were read.
        adapter_kind: Its kind of adapter, several with "+" between; None for the bare encoder.
        private: Whether caches must not know of its examples.
        context: What its answers follow from beside the examples; None where none are kept.
    """

    served: ServedTask
    task: Task
    head: Head
    adapter_kind: str | None
    private: bool
    context: AnswerContext | None = None


@dataclass(frozen=True, eq=False)
class AskedExample:
    """One example of a request.

    Attributes:
        request: Where its outcome goes.
        asked: Its task.
        place: Which of the task's examples it is.
        encoded: Its rows.
        cache_key: Under which its answer is kept; None for not at all.
    """

    request: Request
    asked: AskedTask
    place: int
    encoded: Encoded
    cache_key: bytes | None = None

    @property
    def n_bytes(self) -> int:
        """What it holds of memory, about."""
        fields = vars(self.encoded.example).values()
        n_text = sum(len(value) for value in fields if isinstance(value, str))
        return n_text + self.encoded.n_tokens * _BYTES_PER_TOKEN + _BYTES_PER_EXAMPLE


@dataclass(frozen=True)
class Reading:
    """What is asked, ready to wait.

    Attributes:
        request: Where the outcomes go; examples that cannot be used have theirs already, and so
            have those whose answers were found in the cache.
        examples: Those that are to be computed.
        n_tokens: Of all examples that could be read.
    """

    request: Request
    examples: Sequence[AskedExample] = field(default_factory=list)
    n_tokens: int = 0


def read(
    model: DistilBertModelWithHeads,
    values: Mapping[ServedTask, Sequence[object]],
    *,
    private: bool,
) -> Reading:
    """Reads each task's examples as its head does, and answers from the cache what is there.

    Args:
        model: It holds the tasks.
        values: For each task texts, pairs, mappings or examples of its head.
        private: Whether caches must not know of them.

    Raises:
        UnknownTaskError: There is no such task.
    """
    request = Request({task: len(found) for task, found in values.items()})
    examples: list[AskedExample] = []
    n_tokens = 0
    cache = model.result_cache_for(private=private)
    for task, places, question in _questions(model, values, request):
        asked = _asked_task(model, task, question, cache, private=private)
        n_tokens += sum(encoded.n_tokens for encoded in question.encoded)
        found = [
            AskedExample(request, asked, place, encoded, key)
            for place, encoded, key in zip(
                places, question.encoded, _keys(model, asked, question, cache), strict=True
            )
        ]
        examples += found if cache is None else _not_cached(found, cache)
    return Reading(request, examples, n_tokens)


def _questions(
    model: DistilBertModelWithHeads,
    values: Mapping[ServedTask, Sequence[object]],
    request: Request,
) -> Iterator[tuple[ServedTask, Sequence[int], Question]]:
    """Each task's examples, read; with the places of those that can be used."""
    for task in values:
        model.task(task.key)  # refused as a whole where there is none
    by_key = {task.key: found for task, found in values.items()}
    try:
        questions = model.questions(by_key) if len(by_key) == len(values) else []
    except FAILURES:
        questions = []
    if len(questions) < len(values):
        yield from _questions_one_by_one(model, values, request)
        return
    for (task, found), question in zip(values.items(), questions, strict=True):
        yield task, range(len(found)), question


def _questions_one_by_one(
    model: DistilBertModelWithHeads,
    values: Mapping[ServedTask, Sequence[object]],
    request: Request,
) -> Iterator[tuple[ServedTask, Sequence[int], Question]]:
    """The same where an example cannot be used: it gets its error, and no other does.

    So are tasks of one key read, which no mapping by key holds.
    """
    for task, found in values.items():
        for place, value in enumerate(found):
            try:
                [question] = model.questions({task.key: [value]})
            except FAILURES as error:
                request.settle(task, place, told(task.name, error))
            else:
                yield task, (place,), question


def _asked_task(
    model: DistilBertModelWithHeads,
    task: ServedTask,
    question: Question,
    cache: ResultCache | None,
    *,
    private: bool,
) -> AskedTask:
    context = None
    is_private = private or task.key in model.private_tasks or task.name in model.private_tasks
    if cache is not None and not is_private:
        [context] = AnswerKeys(model, cache.digests).contexts([question])
    kinds = [adapter.kind for adapter in model.adapters_of(question.task.adapter).values()]
    adapter_kind = "+".join(kinds) or None
    return AskedTask(task, question.task, question.head, adapter_kind, is_private, context)


def _keys(
    model: DistilBertModelWithHeads,
    asked: AskedTask,
    question: Question,
    cache: ResultCache | None,
) -> list[bytes | None]:
    """Under which key each answer is kept; None for not at all."""
    if cache is None or asked.context is None:
        return [None] * len(question.encoded)
    return AnswerKeys(model, cache.digests).of(question, asked.context)


def _not_cached(examples: Sequence[AskedExample], cache: ResultCache) -> Iterator[AskedExample]:
    """The examples whose answers are not in the cache; the others get them."""
    for example in examples:
        written = None if example.cache_key is None else cache.find(example.cache_key)
        if written is None:
            yield example
        else:
            example.request.settle(example.asked.served, example.place, written.read())


def as_waiting(
    examples: Sequence[AskedExample], now: float, timeout_s: float | None
) -> list[Waiting[AskedExample]]:
    """Examples as they wait; those of several tasks that read the same rows know each other.

    Args:
        examples: The examples.
        now: The time, in seconds of the engine's clock.
        timeout_s: How long their answers are of use; None for ever.
    """
    deadline = None if timeout_s is None else now + timeout_s
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
