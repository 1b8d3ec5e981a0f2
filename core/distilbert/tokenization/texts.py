"""The texts of one call, in whichever of the documented shapes they come."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from polyhead.errors import InputError

__all__ = ["Text", "Texts", "read_texts"]

Text: TypeAlias = str | list[str]
"""A text, or the words of one that is split already."""

_PAIR = 2


@dataclass(frozen=True)
class Texts:
    """One row a place.

    Attributes:
        firsts: The first text of each row.
        seconds: The second, or None.
        is_split: Whether texts are lists of words.
        is_batch: Whether the caller gave a list of rows, be it of one.
    """

    firsts: list[Text]
    seconds: list[Text | None]
    is_split: bool
    is_batch: bool


def read_texts(text: object, pair: object, *, is_split: bool) -> Texts:
    """The rows that `text` and `pair` stand for.

    Args:
        text: A text, a list of texts, or a list of pairs; with `is_split` each text is a list of
            words.
        pair: The second text, or a list of as many.
        is_split: Whether texts are split into words already.

    Raises:
        InputError: There is no row, one is of the wrong type, or the lists differ in length.
    """
    is_batch = isinstance(text, list | tuple)
    if is_split:
        is_batch = is_batch and bool(text) and isinstance(text[0], list | tuple)  # type: ignore[index]
    if not is_batch:
        first = _text(text, "text", is_split=is_split)
        # an empty second text is none here, as in transformers; in a list of rows it is one
        second = _text(pair, "text_pair", is_split=is_split) if pair else None
        return Texts([first], [second], is_split, is_batch=False)
    return _rows(text, pair, is_split=is_split)  # type: ignore[arg-type]  # it is a list or a tuple


def _rows(texts: Sequence[object], pairs: object, *, is_split: bool) -> Texts:
    if not texts:
        raise InputError("there are no texts: the batch is empty.")
    if pairs is not None and not isinstance(pairs, list | tuple):
        raise InputError(
            f"text is a list of {len(texts)}, so text_pair must be one, too, and not of type "
            f"{type(pairs).__name__}."
        )
    if pairs is not None and len(pairs) != len(texts):
        raise InputError(f"text has {len(texts)} rows and text_pair has {len(pairs)}.")
    found = Texts([], [], is_split, is_batch=True)
    for place, item in enumerate(texts):
        first, second = item, None if pairs is None else pairs[place]
        if pairs is None and _is_pair(item, is_split=is_split):
            first, second = item  # type: ignore[misc]  # `_is_pair` has counted them
        found.firsts.append(_text(first, "text", is_split=is_split, index=place))
        other = (
            None if second is None else _text(second, "text_pair", is_split=is_split, index=place)
        )
        found.seconds.append(other)
    return found


def _is_pair(item: object, *, is_split: bool) -> bool:
    kind: type | tuple[type, ...] = (list, tuple) if is_split else str
    return (
        isinstance(item, list | tuple)
        and len(item) == _PAIR
        and all(isinstance(part, kind) for part in item)
    )


def _text(text: object, what: str, *, is_split: bool, index: int | None = None) -> Text:
    # no test for str first: a str is no list of words, and its characters are
    if is_split and isinstance(text, list | tuple):
        odd = next((word for word in text if not isinstance(word, str)), "")
        if isinstance(odd, str):
            return list(text)
        raise InputError(f"a word of {what} must be a str, not {type(odd).__name__}.", index=index)
    if isinstance(text, str) and not is_split:
        return text
    wanted = "a list of words" if is_split else "a str"
    hint = ""
    if isinstance(text, str):
        hint = "; is_split_into_words says that texts are split already"
    elif isinstance(text, list | tuple) and text and isinstance(text[0], str):
        hint = "; for texts split into words say is_split_into_words=True"
    elif hasattr(text, "tolist"):
        hint = "; give text.tolist()"
    raise InputError(f"{what} must be {wanted}, not {type(text).__name__}{hint}.", index=index)
