"""Texts as rows, read by a checkpoint's tokenizer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from polyhead.batch import Row
from polyhead.errors import InputError

if TYPE_CHECKING:
    from tokenizers import Encoding

    from polyhead.pipelines.source import Example, Rows

__all__ = ["PaddedRow", "row_of", "rows_of_texts", "text_of"]


@dataclass(frozen=True, slots=True)
class PaddedRow(Row):
    """A row that stood in a padded one.

    Attributes:
        n_places: The length of that, padding included.
    """

    n_places: int = 0


def text_of(value: object, what: str, hint: str) -> str:
    """`value`, if it is a text.

    Args:
        value: What was given.
        what: What messages call it.
        hint: What else may be given, for the message.

    Raises:
        InputError: It is not.
    """
    if isinstance(value, str):
        return value
    raise InputError(f"a {what} must be a str, not {type(value).__name__}; {hint}.")


def rows_of_texts(
    tokenizer: Any, examples: Sequence[Example], arguments: Mapping[str, Any], max_length: int
) -> list[Rows]:
    """One row for each example's `text` and `text_pair`.

    Args:
        tokenizer: The checkpoint's.
        examples: The texts.
        arguments: Of the tokenizer's call.
        max_length: Most tokens that the model reads: what texts are cut to where they are to be cut
            and nothing else is said.
    """
    arguments = dict(arguments)
    if arguments.get("truncation") not in {None, False} and arguments.get("max_length") is None:
        arguments["max_length"] = max_length
    texts = [example["text"] for example in examples]
    pairs = [example.get("text_pair") for example in examples]
    if arguments.get("padding") in {None, False}:
        return [(row_of(item),) for item in tokenizer(texts, pairs, **arguments).encodings]
    # one by one: padding is that of a text alone, whatever texts are read with it
    encodings = (tokenizer(*pair, **arguments) for pair in zip(texts, pairs, strict=True))
    return [(row_of(found.encodings[0]),) for found in encodings]


def row_of(encoding: Encoding, start: int = 0) -> PaddedRow:
    """The row that an encoding of the `tokenizers` library stands for, padding left out.

    Args:
        encoding: Of one text or of a pair.
        start: How many sub-words of the text lie before it.
    """
    places = [place for place, there in enumerate(encoding.attention_mask) if there]
    segments = [-1 if text is None else text for text in encoding.sequence_ids]
    words = [-1 if word is None else word for word in encoding.word_ids]
    is_plain = places == list(range(len(places)))
    return PaddedRow(
        ids=tuple(encoding.ids[place] for place in places),
        positions=None if is_plain else tuple(places),
        offsets=tuple(encoding.offsets[place] for place in places),
        segments=tuple(segments[place] for place in places),
        words=tuple(words[place] for place in places),
        start=start,
        n_places=len(encoding),
    )
