"""What a user writes for a task on texts, and its way to rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, TypeVar

from pydantic import BeforeValidator, Field

from polyhead.contracts import Encoded, Example
from polyhead.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from polyhead.contracts import Tokenizer

__all__ = ["Label", "TextExample", "TextOrPair", "encode_texts"]


def _as_label(value: object) -> object:
    """Whole numbers and truth values as their text: data files often hold them for labels."""
    if isinstance(value, int):
        return str(value)
    if not isinstance(value, str) or not value:
        raise ValueError("a label is a text that is not empty, or a whole number")
    try:
        value.encode()
    except UnicodeEncodeError:  # it could not be saved
        raise ValueError("a label holds half of a surrogate pair; it is not Unicode") from None
    return value


Label = Annotated[str, BeforeValidator(_as_label)]
"""A label's name, never empty."""


class TextOrPair(Example):
    """One text, or a pair of texts; the base of examples with one row each."""

    text: str = Field(description="The text.")
    text_pair: str | None = Field(
        default=None, description="The second text of a pair.", examples=["a second text"]
    )


class TextExample(TextOrPair):
    """One text, or a pair of texts, and its label where it is known."""

    label: Label | None = Field(default=None, description="Its label, for training and evaluation.")


ExampleT = TypeVar("ExampleT", bound=TextOrPair)


def encode_texts(
    examples: Sequence[ExampleT],
    tokenizer: Tokenizer,
    target_of: Callable[[ExampleT], Tensor | None],
) -> list[Encoded]:
    """One row each, with what `target_of` makes of the example as its target.

    Raises:
        InputError: A text is empty or too long, or `target_of` refuses a label; the error has the
            example's place.
    """
    texts = [example.text for example in examples]
    rows = tokenizer.rows(texts, [example.text_pair for example in examples])
    encoded = []
    for number, (example, row) in enumerate(zip(examples, rows, strict=True)):
        try:
            target = target_of(example)
        except InputError as error:
            raise InputError(error.reason, index=number) from None
        encoded.append(Encoded(example, (row,), target))
    return encoded
