"""What a user writes for a task on texts."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field

from polyhead.contracts import Example

__all__ = ["Label", "TextExample"]


def _as_label(value: object) -> object:
    """Whole numbers and truth values as their text: data files often hold them for labels."""
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str) and value:
        return value
    raise ValueError("a label is a text that is not empty, or a whole number")


Label = Annotated[str, BeforeValidator(_as_label)]
"""A label's name, never empty."""


class TextExample(Example):
    """One text, or a pair of texts, and its label where it is known."""

    text: str = Field(description="The text.")
    text_pair: str | None = Field(default=None, description="The second text of a pair.")
    label: Label | None = Field(default=None, description="Its label, for training and evaluation.")
