"""Telling that texts were longer than a task reads."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from polyhead.cli.output import note

if TYPE_CHECKING:
    from polyhead.contracts import Encoded
    from polyhead.model import Task

__all__ = ["count_cut", "note_cut"]


def count_cut(encoded: "Iterable[Encoded]") -> int:
    """How many examples have tokens that did not fit."""
    return sum(item.is_cut for item in encoded)


def note_cut(task: "Task", n_cut: int, n_texts: int, what: str = "texts") -> None:
    """A remark on standard error, where any text was cut."""
    if n_cut:
        longest = task.text.max_length
        note(f"{task.name}: {n_cut} of {n_texts} {what} were cut to {longest} tokens.")
