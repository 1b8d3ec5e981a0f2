"""Asking a task on the command line: by one text, by two, or by a file where texts do not do."""

import json
from collections.abc import Mapping
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING

from polyhead.errors import InputError

if TYPE_CHECKING:
    from polyhead.contracts import Example, Head

__all__ = ["check_askable", "words_to_ask", "words_to_name"]

_MOST_TEXTS = 2
"""An argument, and --text-pair."""


def check_askable(task: str, head_class: "type[Head]", n_texts: int) -> None:
    """Refuses texts of the command line that are too few or too many for a task.

    Args:
        task: Its name.
        head_class: Its kind of head.
        n_texts: 2 where --text-pair was given, else 1.

    Raises:
        InputError: They are; the message says how to ask instead.
    """
    from polyhead.contracts import sample_of

    example = head_class.Example
    what = f"the task {task!r} ({head_class.kind})"
    texts = _texts(example)
    needed = _needed(example)
    if not needed <= set(texts):
        sample = json.dumps(sample_of(example), ensure_ascii=False)
        raise InputError(
            f"{what} needs more than a text; put examples in a file for --input, each a line such "
            f"as {sample}."
        )
    if n_texts > len(texts):
        raise InputError(f"{what} reads single texts; leave out --text-pair.")
    missing = needed - set(texts[:n_texts])
    if missing:
        raise InputError(
            f"{what} needs a {missing.pop()} beside the {texts[0]}; give it with --text-pair, or "
            "both in a file for --input."
        )


def words_to_ask(
    folder: Path, seen: "Example", data: Path, columns: Mapping[str, str]
) -> list[str | Path]:
    """The words of a `predict` with something that a task could be asked.

    Args:
        folder: The task's.
        seen: One of its training examples: the command has two texts where that has.
        data: A file with examples of the task, for a task that texts alone cannot ask.
        columns: The columns of the file for fields that have another name.
    """
    from polyhead.contracts import sample_of

    example = type(seen)
    texts = _texts(example)
    if not _needed(example) <= set(texts):
        read = {
            field: name for field, name in columns.items() if field not in example.target_fields
        }
        return ["predict", "--task", folder, "--input", data, *words_to_name(read)]
    sample = sample_of(example, [name for name in texts if getattr(seen, name) is not None])
    first, *second = (str(sample[name]) for name in texts if name in sample)
    return [
        "predict",
        "--task",
        folder,
        first,
        *(w for text in second for w in ("--text-pair", text)),
    ]


def words_to_name(columns: Mapping[str, str]) -> list[str]:
    """The options that name these columns again."""
    return [word for field, name in columns.items() for word in ("--column", f"{field}={name}")]


def _texts(example: "type[Example]") -> list[str]:
    """The fields that texts of the command line can fill, in their order."""
    from polyhead.contracts import text_fields

    known = text_fields(example)
    first = list(example.model_fields)[:_MOST_TEXTS]
    return list(takewhile(known.__contains__, first))


def _needed(example: "type[Example]") -> set[str]:
    return {name for name, field in example.model_fields.items() if field.is_required()}
