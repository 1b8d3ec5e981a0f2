"""Where the answer of an example lies among the tokens of its windows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from polyhead.errors import InputError, shown
from polyhead.heads.question_answering.window import ContextWindow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from polyhead.batch import Row
    from polyhead.heads.question_answering.example import Answer, QuestionAnsweringExample

__all__ = ["answer_places", "window_targets"]

_CLS = (0, 0)


def window_targets(example: QuestionAnsweringExample, rows: Sequence[Row]) -> Tensor | None:
    """The first and last token of the first answer in each window. Shape: (W, 2), int64.

    In a window that does not hold all of it, and where there is no answer, both are 0: [CLS]. So,
    as in BERT's recipe for SQuAD, windows without the answer teach the head to score them low.

    Args:
        example: The example.
        rows: Its windows.

    Returns:
        None for an example whose answers are not known.

    Raises:
        InputError: An answer does not stand in the context where it is said to.
    """
    if example.answers is None:
        return None
    for answer in example.answers:
        _check(answer, example.context)
    if not example.answers:
        return torch.tensor([_CLS] * len(rows))
    first = example.answers[0]
    places = answer_places(rows, first.answer_start, first.answer_start + len(first.text))
    if places is None:
        raise InputError(
            f"the answer {shown(first.text)} has no word: it is white space or control characters "
            "only."
        )
    return torch.tensor([place or _CLS for place in places])


def answer_places(rows: Sequence[Row], start: int, end: int) -> list[tuple[int, int] | None] | None:
    """For each window the first and last token of the context's characters `start` to `end`.

    A window that does not hold all of them has None. Tokens that are only partly inside belong to
    it, so an answer that ends within a sub-word grows to its end.

    Returns:
        None where no token has any of these characters.
    """
    windows = [ContextWindow.of(row) for row in rows]
    # sub-words are counted through all windows, since each alone does not show what it lacks
    inside = [
        number
        for window in windows
        for number, (left, right) in zip(window.sub_words, window.offsets, strict=True)
        if left < end and right > start
    ]
    if not inside:
        return None
    first, last = min(inside), max(inside)
    places: list[tuple[int, int] | None] = []
    for window in windows:
        shift = window.first - window.start
        is_inside = first in window.sub_words and last in window.sub_words
        places.append((first + shift, last + shift) if is_inside else None)
    return places


def _check(answer: Answer, context: str) -> None:
    start = answer.answer_start
    end = start + len(answer.text)
    place = f"the answer {shown(answer.text)} is said to stand at the characters {start} to {end}"
    if start < 0 or end > len(context):
        raise InputError(
            f"{place}, outside of the context, which has {len(context)}; {_remedy(answer, context)}"
        )
    if context[start:end] != answer.text:
        found = shown(context[start:end])
        raise InputError(f"{place}, where the context has {found}; {_remedy(answer, context)}")


def _remedy(answer: Answer, context: str) -> str:
    found = context.find(answer.text)
    where = "the context does not have it" if found < 0 else f"the context has it at {found}"
    return f"{where} (answer_start counts Unicode characters, from 0)."
