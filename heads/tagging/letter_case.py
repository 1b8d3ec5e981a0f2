"""How a word is written: what an encoder that reads small letters alone does not see."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from polyhead.batch import Row

__all__ = ["N_CASES", "case_of", "cases_of_row"]

_UNKNOWN, _SMALL, _FIRST_CAPITAL, _CAPITALS, _MIXED, _NO_LETTERS = range(6)

N_CASES: Final = 6
"""Unknown, small letters, a capital first, capitals alone, mixed, no letter with a case."""


def case_of(word: str) -> int:
    """The number of the way in which `word` is written; one capital alone counts as first."""
    if word == word.lower():
        return _SMALL if word != word.upper() else _NO_LETTERS
    if word == word.upper() and sum(letter.isupper() for letter in word) > 1:
        return _CAPITALS
    rest = word.lstrip("\"'([{#@")
    return _FIRST_CAPITAL if rest[:1].isupper() and rest[1:] == rest[1:].lower() else _MIXED


def cases_of_row(row: Row, text: str) -> tuple[int, ...]:
    """The case of each token's word; unknown for special tokens.

    Args:
        row: With offsets, as the tokenizer's `windows` makes them.
        text: What its offsets count characters of.
    """
    return tuple(_cases(row.words or (), row.offsets or (), text))


def _cases(words: Sequence[int], offsets: Sequence[tuple[int, int]], text: str) -> Iterator[int]:
    column = 0
    while column < len(words):
        stop = column + 1
        while stop < len(words) and words[stop] == words[column] >= 0:
            stop += 1
        is_special = words[column] < 0
        case = _UNKNOWN if is_special else case_of(text[offsets[column][0] : offsets[stop - 1][1]])
        yield from [case] * (stop - column)
        column = stop
