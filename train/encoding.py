"""Labelled examples as the encoder and the head read them, once for the whole run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from polyhead.errors import InputError
from polyhead.model import encoded_by

if TYPE_CHECKING:
    from collections.abc import Sequence

    from polyhead.contracts import Encoded, Example
    from polyhead.model import DistilBertModelWithHeads, Task

__all__ = ["encode_labelled"]


def encode_labelled(
    model: DistilBertModelWithHeads, task: Task, examples: Sequence[Example], what: str
) -> list[Encoded]:
    """The examples' rows and targets.

    Args:
        model: It has the tokenizer and the task's head.
        task: Of the examples.
        examples: At least one, each with its label.
        what: What they are for, to begin messages with: "training".

    Raises:
        InputError: There is none, one has no label, or a text or label cannot be used.
    """
    if not examples:
        raise InputError(f"there are no {what} examples for the task {task.name!r}.")
    tokenizer = model.text_tokenizer(task)
    try:
        encoded = encoded_by(model.heads[task.head], examples, tokenizer)
    except InputError as error:
        raise InputError(f"{what} examples: {error}") from None
    without = next((number for number, item in enumerate(encoded) if item.target is None), None)
    if without is not None:
        raise InputError(f"{what} example {without + 1} of the task {task.name!r} has no label.")
    return encoded
