"""Texts in, typed answers out: batches of any tasks under a token budget."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import torch

from polyhead.batch import Row
from polyhead.composition import AdapterSetup
from polyhead.contracts import Encoded, Example, Head, HeadOutput, Prediction
from polyhead.errors import InputError
from polyhead.model.checked_heads import decoded_by
from polyhead.model.task import Task
from polyhead.routing import token_batches

__all__ = ["BATCH_TOKENS", "HeadCall", "Question", "answer", "as_list"]

BATCH_TOKENS: Final = 2048
"""Most tokens computed at once: enough for full speed, small enough to stay in the CPU's caches."""


@dataclass(frozen=True)
class HeadCall:
    """Rows that one head shall answer.

    Attributes:
        head: The head's name.
        rows: Its rows.
        adapters: Each row's adapter, several put together, or None for the bare encoder.
        row_counts: How many rows each example has; one each when None.
    """

    head: str
    rows: tuple[Row, ...]
    adapters: tuple[AdapterSetup, ...]
    row_counts: tuple[int, ...] | None = None

    @classmethod
    def of(cls, task: Task, encoded: Sequence[Encoded]) -> HeadCall:
        """What to ask `task`'s head about `encoded`."""
        rows = tuple(row for item in encoded for row in item.rows)
        counts = tuple(len(item.rows) for item in encoded)
        return cls(task.head, rows, (task.adapter,) * len(rows), counts)


@dataclass(frozen=True)
class Question:
    """All of one task's examples in a call to `predict`, encoded.

    Attributes:
        task: The task.
        head: Its head.
        encoded: One entry an example.
    """

    task: Task
    head: Head
    encoded: Sequence[Encoded]


Compute = Callable[[Sequence[HeadCall]], list[HeadOutput]]


def as_list(texts: object) -> list[object]:
    """`texts` as a list of examples; a single text, pair, mapping or example is a list of one.

    Raises:
        InputError: It is none of these.
    """
    if isinstance(texts, str | tuple | Mapping | Example):
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
        questions: The tasks and their encoded examples; examples at the same place are computed
            together.
        compute: Runs the calls of one batch through the model.
    """
    n_places = max((len(question.encoded) for question in questions), default=0)
    # tasks that share an adapter share rows too; counting each is on the safe side
    n_tokens = [
        sum(q.encoded[place].n_tokens for q in questions if place < len(q.encoded))
        for place in range(n_places)
    ]
    answers: list[dict[int, Prediction]] = [{} for _ in questions]
    for places in token_batches(n_tokens, BATCH_TOKENS):
        chosen = [
            [(place, question.encoded[place]) for place in places if place < len(question.encoded)]
            for question in questions
        ]
        asked = [number for number, examples in enumerate(chosen) if examples]
        calls = [
            HeadCall.of(questions[number].task, [item for _, item in chosen[number]])
            for number in asked
        ]
        with torch.inference_mode():
            outputs = compute(calls)
        for number, output in zip(asked, outputs, strict=True):
            own_places, encoded = zip(*chosen[number], strict=True)
            try:
                predictions = decoded_by(questions[number].head, output, encoded)
            except InputError as error:
                index = None if error.index is None else own_places[error.index]
                raise InputError(error.reason, index=index) from None
            answers[number].update(zip(own_places, predictions, strict=True))
    return [[found[place] for place in range(len(found))] for found in answers]
