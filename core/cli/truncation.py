"""Telling that texts were longer than a task reads."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from polyhead.cli.output import note

if TYPE_CHECKING:
    from polyhead.contracts import Example
    from polyhead.model import DistilBertModelWithHeads

__all__ = ["count_cut", "note_cut"]


def count_cut(model: "DistilBertModelWithHeads", task: str, examples: "Sequence[Example]") -> int:
    """How many of the examples have tokens that did not fit."""
    found = model.tasks[task]
    head, tokenizer = model.heads[found.head], model.text_tokenizer(found)
    # a second tokenisation: less than a hundredth of the time that the encoder takes
    return sum(any(row.n_dropped for row in item.rows) for item in head.encode(examples, tokenizer))


def note_cut(
    model: "DistilBertModelWithHeads", task: str, n_cut: int, n_texts: int, what: str = "texts"
) -> None:
    """A remark on standard error, where any text was cut."""
    if n_cut:
        longest = model.tasks[task].text.max_length
        note(f"{task}: {n_cut} of {n_texts} {what} were cut to {longest} tokens.")
