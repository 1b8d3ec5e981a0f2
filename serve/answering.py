"""Batches computed so that an example that fails, fails alone.

A head is called for its own examples, inside a net of its own. What fails is tried again in halves,
until the examples that are at fault are alone; the others get their answers.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import torch
from pydantic import BaseModel
from torch import Tensor

from polyhead.caches.result_cache import WrittenAnswer
from polyhead.contracts import Prediction
from polyhead.errors import (
    BrokenTaskError,
    InputError,
    NonFiniteError,
)
from polyhead.model import HeadCall
from polyhead.model.answer_keys import AnswerKeys
from polyhead.model.checked_heads import decoded_by, output_of
from polyhead.model.prediction import Question
from polyhead.serve.failures import FAILURES, told

if TYPE_CHECKING:
    from polyhead.batch import Hidden
    from polyhead.contracts import Head, HeadOutput
    from polyhead.model import DistilBertModelWithHeads
    from polyhead.serve.reading import AskedExample, AskedTask
    from polyhead.serve.request import Outcome
    from polyhead.serve.scheduling.breakers import Breakers

__all__ = ["Answering", "broken", "is_finite"]

_SLOW: Final = "its head is so slow that it holds up all others."

_log = logging.getLogger("polyhead.engine")


@dataclass(frozen=True)
class _Group:
    """Examples that one head answers together."""

    asked: AskedTask
    examples: Sequence[AskedExample]

    @property
    def key(self) -> Hashable:
        """Of the task, for the breakers."""
        return self.asked.served.key

    def call(self) -> HeadCall:
        """What to ask the model."""
        encoded = [example.encoded for example in self.examples]
        return HeadCall.of(self.asked.task, encoded, private=self.asked.private)


class Answering:
    """Computes batches of examples of any tasks. Threads may share it."""

    def __init__(
        self, model: DistilBertModelWithHeads, breakers: Breakers, slow_head_s: float
    ) -> None:
        """Computes nothing yet.

        Args:
            model: It holds the tasks.
            breakers: Are told which tasks fail and which work.
            slow_head_s: A head that takes longer for its examples of a batch has failed, as far as
                the breakers go.
        """
        self._model = model
        self._breakers = breakers
        self._slow_head_s = slow_head_s

    def outcomes(self, examples: Sequence[AskedExample]) -> dict[AskedExample, Outcome]:
        """Each example's answer, or why there is none."""
        found: dict[AskedExample, Outcome] = {}
        todo: list[Sequence[AskedExample]] = [examples]
        with torch.inference_mode():
            while todo:
                todo += self._attempt(todo.pop(), found)
        return found

    def _attempt(
        self, examples: Sequence[AskedExample], found: dict[AskedExample, Outcome]
    ) -> list[Sequence[AskedExample]]:
        """Answers what can be answered in one pass, and returns what is to be tried again."""
        groups = self._unbroken(_grouped(examples), found)
        again: list[Sequence[AskedExample]] = []
        try:
            with self._model.encoding([group.call() for group in groups]) as read:
                for group, (head, hidden) in zip(groups, read, strict=True):
                    started = time.perf_counter()
                    try:
                        found.update(self._answered(group, head, hidden))
                    except FAILURES as error:
                        self._check_time(group, started)
                        again += self._halved([group], error, found)
        except FAILURES as error:  # adapters are plugins too
            return self._halved(groups, error, found)
        return again

    def _check_time(self, group: _Group, started: float) -> None:
        """Counts a failure of several that took long: to find the one at fault takes longer."""
        if len(group.examples) > 1 and time.perf_counter() - started > self._slow_head_s:
            self._failed(group, _SLOW)

    def _failed(self, group: _Group, why: str, error: BaseException | None = None) -> None:
        """Counts a failure, and says in the log why a task is given up."""
        if self._breakers.failed(group.key):
            _log.error(
                "the task %r kept failing and is given up for a while: %s",
                group.asked.served.name,
                why,
                exc_info=error,
            )

    def _unbroken(
        self, groups: Iterable[_Group], found: dict[AskedExample, Outcome]
    ) -> list[_Group]:
        """The groups of tasks that are not given up; the others get their error."""
        left = []
        for group in groups:
            if self._breakers.is_broken(group.key):
                name = group.asked.served.name
                found.update((example, broken(name, None)) for example in group.examples)
            else:
                left.append(group)
        return left

    def _answered(self, group: _Group, head: Head, hidden: Hidden) -> dict[AskedExample, Outcome]:
        """The answers of one head; an example without a finite one has an error.

        Raises:
            ContractError: The head failed.
            InputError: It finds one of the examples of no use.
            NonFiniteError: Its output holds what is no number, or infinities that it cannot read.
        """
        started = time.perf_counter()
        output = output_of(head, hidden)
        if any(_holds_nan(part) for part in _computed(output, hidden)):
            raise _non_finite(group.asked.served.name)
        try:
            answers = decoded_by(head, output, [example.encoded for example in group.examples])
        except InputError as error:  # heads refuse to read what is infinite, as the input's fault
            if all(bool(part.isfinite().all()) for part in _computed(output, hidden)):
                raise
            raise _non_finite(group.asked.served.name) from error
        is_slow = time.perf_counter() - started > self._slow_head_s
        outcomes: dict[AskedExample, Outcome] = {}
        for example, answer in zip(group.examples, answers, strict=True):
            outcomes[example] = answer
            if not is_finite(answer):
                outcomes[example] = _non_finite(group.asked.served.name)
        wrong = next((each for each in outcomes.values() if isinstance(each, NonFiniteError)), None)
        if is_slow or wrong is not None:
            self._failed(group, _SLOW if is_slow else str(wrong))
        else:
            self._breakers.succeeded(group.key)
        self._keep(group, outcomes)
        return outcomes

    def _halved(
        self, groups: Sequence[_Group], error: BaseException, found: dict[AskedExample, Outcome]
    ) -> list[Sequence[AskedExample]]:
        """What to try again after a failure; an example that was alone gets the error."""
        if not groups:
            return []
        if len(groups) > 1:
            middle = len(groups) // 2
            parts = groups[:middle], groups[middle:]
            return [[e for group in part for e in group.examples] for part in parts]
        [group] = groups
        if len(group.examples) > 1:
            middle = len(group.examples) // 2
            return [group.examples[:middle], group.examples[middle:]]
        if not isinstance(error, InputError):
            self._failed(group, type(error).__name__, error)
        found[group.examples[0]] = told(group.asked.served.name, error)
        return []

    def _keep(self, group: _Group, outcomes: dict[AskedExample, Outcome]) -> None:
        """Puts answers into the model's cache, unless their task was changed meanwhile."""
        cache = self._model.result_cache_for(private=group.asked.private)
        if cache is None or group.asked.context is None:
            return
        question = Question(group.asked.task, group.asked.head, ())
        if AnswerKeys(self._model, cache.digests).contexts([question]) != [group.asked.context]:
            return
        for example, outcome in outcomes.items():
            if example.cache_key is not None and isinstance(outcome, Prediction):
                written = WrittenAnswer.of(outcome)
                if written is not None:
                    cache.keep(example.cache_key, written)


def broken(task: str, seconds: float | None) -> BrokenTaskError:
    """The error of a task that is given up for a while."""
    return BrokenTaskError(
        f"the task {task!r} kept failing and is not asked for a while; try again later, and see "
        "the server's log for the reason.",
        retry_after_s=seconds,
    )


def is_finite(answer: Prediction) -> bool:
    """Whether an answer holds no number that is infinite or none."""
    return _all_finite(vars(answer).values())


def _all_finite(values: Iterable[Any]) -> bool:
    for value in values:
        if isinstance(value, float):
            if not math.isfinite(value):
                return False
        elif isinstance(value, dict):
            if not _all_finite(value.values()):
                return False
        elif isinstance(value, list | tuple):
            if not _all_finite(value):
                return False
        elif isinstance(value, BaseModel) and not _all_finite(vars(value).values()):
            return False
    return True


def _grouped(examples: Iterable[AskedExample]) -> list[_Group]:
    """The examples by what answers them."""
    groups: dict[Hashable, list[AskedExample]] = {}
    for example in examples:
        asked = example.asked
        key = (asked.served.key, asked.task.adapter, asked.head, asked.private)
        groups.setdefault(key, []).append(example)
    return [_Group(found[0].asked, found) for found in groups.values()]


def _computed(output: HeadOutput, hidden: Hidden) -> list[Tensor]:
    """What a head computed; what it only passes on is not among it."""
    parts = output.values() if isinstance(output, dict) else (output,)
    return [part for part in parts if part is not hidden.word_embeddings]


def _holds_nan(part: Tensor) -> bool:
    # a NaN among the addends makes the sum one; infinities of both signs do too: looked at again
    total = part.sum()
    return bool(total != total) and bool(part.isnan().any())  # noqa: PLR0124 - only NaN is unequal


def _non_finite(task: str) -> NonFiniteError:
    return NonFiniteError(
        f"the answer of the task {task!r} holds what is no finite number; its weights or its head "
        "are at fault."
    )
