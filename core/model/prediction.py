"""Texts in, typed answers out: batches of any tasks under a token budget."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest
from typing import Final

import torch

from polyhead.batch import Row
from polyhead.composition import AdapterSetup
from polyhead.contracts import Encoded, Example, Head, HeadOutput, Prediction
from polyhead.errors import InputError
from polyhead.model.checked_heads import decoded_by
from polyhead.model.task import Task
from polyhead.routing import token_batches

__all__ = [
    "BATCH_TOKENS",
    "GPU_BATCH_TOKENS",
    "Computing",
    "HeadCall",
    "Question",
    "answer",
    "answers_at",
    "as_list",
]

BATCH_TOKENS: Final = 2048
"""Most tokens computed at once: enough for full speed, small enough to stay in the CPU's caches."""

GPU_BATCH_TOKENS: Final = 16384
"""The same on a GPU, which computes many tokens in the time that it takes to start its kernels."""


@dataclass(frozen=True)
class HeadCall:
    """Rows that one head shall answer.

    Attributes:
        head: The head's name.
        rows: Its rows.
        adapters: Each row's adapter, several put together, or None for the bare encoder.
        row_counts: How many rows each example has; one each when None.
        private: Whether the model's own caches must not know of these rows, as of those of
            `private_tasks`.
    """

    head: str
    rows: tuple[Row, ...]
    adapters: tuple[AdapterSetup, ...]
    row_counts: tuple[int, ...] | None = None
    private: bool = False

    @classmethod
    def of(cls, task: Task, encoded: Sequence[Encoded], *, private: bool = False) -> HeadCall:
        """What to ask `task`'s head about `encoded`."""
        rows = tuple(row for item in encoded for row in item.rows)
        counts = tuple(len(item.rows) for item in encoded)
        return cls(task.head, rows, (task.adapter,) * len(rows), counts, private)


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


@dataclass(frozen=True)
class Computing:
    """How batches are computed.

    Attributes:
        compute: Runs the calls of one batch through the model; on a GPU, it may return before they
            are done.
        prefetch: Is told the adapters of the batch that comes next, while this one is computed.
        batch_tokens: Most tokens of a batch.
        private: Whether the model's caches must not know of the rows.
    """

    compute: Compute
    prefetch: Callable[[Iterable[AdapterSetup]], None]
    batch_tokens: int = BATCH_TOKENS
    private: bool = False


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


def answer(questions: Sequence[Question], computing: Computing) -> list[list[Prediction]]:
    """Every task's answers, a list a task, in the order of the examples.

    Examples of several tasks that read the same rows are computed together, so that the work they
    have in common is shared, and those under the same adapters in as few batches as can be.

    Args:
        questions: The tasks and their encoded examples.
        computing: How batches are computed.
    """
    answers = answers_at([range(len(each.encoded)) for each in questions], questions, computing)
    return [[found[place] for place in range(len(found))] for found in answers]


def answers_at(
    places: Sequence[Sequence[int]], questions: Sequence[Question], computing: Computing
) -> list[dict[int, Prediction]]:
    """The answers to some of the examples, by their places.

    Args:
        places: For each question those that are asked for.
        questions: As in `answer`.
        computing: Likewise.
    """
    shared = _shared_examples(places, questions, computing.batch_tokens)
    answers: list[dict[int, Prediction]] = [{} for _ in questions]
    batches = []
    setups = [
        frozenset(questions[asked].task.adapter for asked, _ in each.asked) for each in shared
    ]
    lengths = [each.n_tokens for each in shared]
    for numbers in token_batches(lengths, computing.batch_tokens, setups):
        batch: dict[int, list[int]] = {}
        for number in numbers:
            for question, place in shared[number].asked:
                batch.setdefault(question, []).append(place)
        batches.append(batch)
    for batch, following in zip_longest(batches, batches[1:]):
        ahead = [questions[number].task.adapter for number in following or ()]
        _answer_batch(questions, batch, computing, ahead, answers)
    return answers


@dataclass(frozen=True)
class _SharedExample:
    """Examples of one or several tasks that read the same rows.

    Attributes:
        asked: The question's number, and the example's place in it, of each.
        n_tokens: What is computed of it at most: its tokens under each adapter.
    """

    asked: tuple[tuple[int, int], ...]
    n_tokens: int


def _shared_examples(
    places: Sequence[Sequence[int]], questions: Sequence[Question], batch_tokens: int
) -> list[_SharedExample]:
    """The examples at some places; those under more adapters than fit a batch are cut."""
    asked: dict[Hashable, dict[AdapterSetup, list[tuple[int, int]]]] = {}
    for number, question in enumerate(questions):
        for place in places[number]:
            key: Hashable = (number, place)
            if len(questions) > 1:
                key = tuple((row.ids, row.positions) for row in question.encoded[place].rows)
            asked.setdefault(key, {}).setdefault(question.task.adapter, []).append((number, place))
    shared = []
    for of_adapter in asked.values():
        number, place = next(iter(of_adapter.values()))[0]
        n_tokens = questions[number].encoded[place].n_tokens
        most = max(1, batch_tokens // max(1, n_tokens))
        groups = list(of_adapter.values())
        for start in range(0, len(groups), most):
            part = groups[start : start + most]
            shared.append(_SharedExample(tuple(chain(*part)), n_tokens * len(part)))
    return shared


def _answer_batch(
    questions: Sequence[Question],
    batch: Mapping[int, Sequence[int]],
    computing: Computing,
    ahead: Sequence[AdapterSetup],
    answers: Sequence[dict[int, Prediction]],
) -> None:
    """Computes some examples together.

    Args:
        questions: All of them.
        batch: For the number of a question the places of its examples.
        computing: How they are computed.
        ahead: The adapters of the batch that comes next.
        answers: Where the answers are put, by question and place.
    """
    chosen = {
        number: [questions[number].encoded[place] for place in places]
        for number, places in batch.items()
    }
    calls = [
        HeadCall.of(questions[number].task, encoded, private=computing.private)
        for number, encoded in chosen.items()
    ]
    with torch.inference_mode():
        outputs = computing.compute(calls)
    computing.prefetch(ahead)  # before the answers are read, which waits for them
    for (number, encoded), output in zip(chosen.items(), outputs, strict=True):
        places = batch[number]
        try:
            predictions = decoded_by(questions[number].head, output, encoded)
        except InputError as error:
            index = None if error.index is None else places[error.index]
            raise InputError(error.reason, index=index) from None
        answers[number].update(zip(places, predictions, strict=True))
