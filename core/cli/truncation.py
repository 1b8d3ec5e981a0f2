"""Telling that texts were longer than a task reads."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from polyhead.cli.output import note

if TYPE_CHECKING:
    from polyhead.contracts import Example
    from polyhead.model import DistilBertModelWithHeads

__all__ = ["count_cut", "note_cut"]


def count_cut(model: "DistilBertModelWithHeads", task: str, examples: "Iterable[Example]") -> int:
    """How many of the examples have tokens that did not fit."""
    found = model.tasks[task]
    head, tokenizer = model.heads[found.head], model.text_tokenizer(found)
    # most are too short to be cut, whatever their tokens: only the others are read once more
    long = [example for example in examples if _most_tokens(example) > found.text.max_length - 3]
    return sum(any(row.n_dropped for row in item.rows) for item in head.encode(long, tokenizer))


def note_cut(
    model: "DistilBertModelWithHeads", task: str, n_cut: int, n_texts: int, what: str = "texts"
) -> None:
    """A remark on standard error, where any text was cut."""
    if n_cut:
        longest = model.tasks[task].text.max_length
        note(f"{task}: {n_cut} of {n_texts} {what} were cut to {longest} tokens.")


def _most_tokens(example: "Example") -> int:
    """At least as many tokens as the example can have."""
    values = (getattr(example, name) for name in type(example).model_fields)
    texts = [value for value in values if isinstance(value, str)]
    # a token has at least one character; normalised, a character becomes up to three
    return sum(len(text) * (1 if text.isascii() else 3) for text in texts)
