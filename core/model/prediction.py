"""Texts in, typed answers out: batches of any tasks under a token budget."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import torch

from polyhead.batch import Row
from polyhead.contracts import Encoded, Head, HeadOutput, Prediction
from polyhead.errors import InputError
from polyhead.model.task import Task

__all__ = ["BATCH_TOKENS", "HeadCall", "Question", "answer", "as_list"]

BATCH_TOKENS: Final = 2048
"""Most tokens computed at once: enough for full speed, small enough to stay in the CPU's caches."""


@dataclass(frozen=True)
class HeadCall:
    """Rows that one head shall answer.

    Attributes:
        head: The head's name.
        rows: Its rows.
        adapters: Each row's adapter, or None for the bare encoder.
        row_counts: How many rows each example has; one each when None.
    """

    head: str
    rows: tuple[Row, ...]
    adapters: tuple[str | None, ...]
    row_counts: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Question:
    """All of one task's examples in a call to `predict`, encoded.

    Attributes:
        task: The task.
        head: Its head.
        encoded: One entry an example; every task of the call has the same number.
    """

    task: Task
    head: Head
    encoded: Sequence[Encoded]

    def call(self, examples: Sequence[int]) -> HeadCall:
        """The head's share of a batch that holds the examples of these numbers."""
        rows = tuple(row for number in examples for row in self.encoded[number].rows)
        return HeadCall(self.task.head, rows, (self.task.adapter,) * len(rows))


Compute = Callable[[Sequence[HeadCall]], list[HeadOutput]]


def as_list(texts: object) -> list[object]:
    """`texts` as a list of examples; a single text, pair, mapping or example is a list of one.

    Raises:
        InputError: It is none of these.
    """
    if isinstance(texts, str | tuple | Mapping) or hasattr(texts, "model_fields"):
        return [texts]
    try:
        return list(texts)  # type: ignore[call-overload,no-any-return]  # anything iterable
    except TypeError:
        raise InputError(
            "texts must be a text, a pair, an example or a list of them, not "
            f"{type(texts).__name__}."
        ) from None


def answer(questions: Sequence[Question], compute: Compute) -> list[list[Prediction]]:
    """Every task's answers, a list a task, in the order of the examples.

    Args:
        questions: The tasks and their encoded examples.
        compute: Runs the calls of one batch through the model.
    """
    n_examples = len(questions[0].encoded) if questions else 0
    answers: list[list[Prediction | None]] = [[None] * n_examples for _ in questions]
    for batch in _batches(questions, n_examples):
        with torch.inference_mode():
            outputs = compute([question.call(batch) for question in questions])
        for question, output, found in zip(questions, outputs, answers, strict=True):
            encoded = [question.encoded[number] for number in batch]
            for number, prediction in zip(
                batch, question.head.decode(output, encoded), strict=True
            ):
                found[number] = prediction
    return [[found for found in column if found is not None] for column in answers]


def _batches(questions: Sequence[Question], n_examples: int) -> Iterator[list[int]]:
    """The examples' numbers, similar lengths together, as many as the token budget holds."""
    sizes = [
        # tasks that share an adapter share the rows too; counting each is on the safe side
        sum(len(row) for question in questions for row in question.encoded[number].rows)
        for number in range(n_examples)
    ]
    batch: list[int] = []
    tokens = 0
    for number in sorted(range(n_examples), key=sizes.__getitem__):
        if batch and tokens + sizes[number] > BATCH_TOKENS:
            yield batch
            batch, tokens = [], 0
        batch.append(number)
        tokens += sizes[number]
    if batch:
        yield batch
