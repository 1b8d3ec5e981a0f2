"""The words of the tiny tokenizer: no list of words, and yet sub-words for any Latin text."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from typing import Final

__all__ = ["tiny_vocabulary"]

_SPECIAL: Final = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_LATIN: Final = (
    (0x0021, 0x007E),  # ASCII
    (0x00A1, 0x024F),  # Latin-1 and Latin Extended-A and -B
    (0x1E00, 0x1EFF),  # Latin Extended Additional
    (0x2010, 0x2044),  # dashes and quotation marks
    (0x20A0, 0x20BF),  # currencies
)
_CONSONANTS: Final = "bcdfghjklmnprstvwz"
_VOWELS: Final = "aeiouy"


def tiny_vocabulary() -> dict[str, int]:
    """Ids by token: the special ones, syllables of two letters, and every Latin character.

    Each stands there as the start of a word and as its continuation.
    """
    pieces = dict.fromkeys([*_syllables(), *_characters()])
    tokens = [*_SPECIAL, *pieces, *(f"##{piece}" for piece in pieces)]
    return {token: number for number, token in enumerate(tokens)}


def _syllables() -> Iterator[str]:
    for consonant in _CONSONANTS:
        for vowel in _VOWELS:
            yield consonant + vowel
            yield vowel + consonant


def _characters() -> Iterator[str]:
    """What the tokenizer makes of each character: lower case, without accents."""
    for first, last in _LATIN:
        for code in range(first, last + 1):
            yield from _plain(_plain(chr(code)).lower())


def _plain(text: str) -> str:
    """`text` without accents, and without what is no visible character."""
    letters = unicodedata.normalize("NFD", text)
    return "".join(letter for letter in letters if unicodedata.category(letter)[0] in "LNPS")
