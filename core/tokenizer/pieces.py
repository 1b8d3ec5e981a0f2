"""The sub-words of one text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tokenizers import Encoding

__all__ = ["Pieces", "joined"]


@dataclass(frozen=True, slots=True)
class Pieces:
    """The sub-words of one text, special tokens not among them.

    Attributes:
        ids: Their token ids.
        offsets: Start and end of each in characters of the text; empty where not asked for.
        words: The word that each is a part of, counted from 0; empty where not asked for.
    """

    ids: Sequence[int]
    offsets: Sequence[tuple[int, int]] = ()
    words: Sequence[int] = ()

    def __len__(self) -> int:
        return len(self.ids)

    @classmethod
    def of_text(cls, encoding: Encoding, *, offsets: bool) -> Pieces:
        """Those of a text that was given whole."""
        if not offsets:
            return cls(encoding.ids)
        words = [-1 if word is None else word for word in encoding.word_ids]
        return cls(encoding.ids, encoding.offsets, words)

    @classmethod
    def of_words(cls, encoding: Encoding, words: Sequence[str], unknown_id: int) -> Pieces:
        """Those of a text that was given as words; the text is the words with a space between.

        A word of which nothing is left (control characters alone) becomes one unknown token, so
        that every word has at least one.
        """
        ids: list[int] = []
        spans: list[tuple[int, int]] = []
        numbers: list[int] = []
        pieces = _by_word(encoding, len(words))
        start = 0
        for number, (word, own) in enumerate(zip(words, pieces, strict=True)):
            for token, (left, right) in own or [(unknown_id, (0, len(word)))]:
                ids.append(token)
                spans.append((start + left, start + right))
                numbers.append(number)
            start += len(word) + 1
        return cls(ids, spans, numbers)

    def part(self, start: int, stop: int) -> Pieces:
        """Those from `start` up to but not including `stop`."""
        return Pieces(self.ids[start:stop], self.offsets[start:stop], self.words[start:stop])

    def windows(self, room: int, overlap: int) -> Iterator[tuple[int, int]]:
        """Start and end of overlapping windows that cover all of them.

        Args:
            room: Most sub-words of a window; at least 1.
            overlap: How many a window shares with the one before; at most half of `room` is used.
        """
        step = room - min(overlap, room // 2)
        start = 0
        while True:
            stop = min(start + room, len(self))
            yield start, stop
            if stop == len(self):
                return
            start += step


def _by_word(encoding: Encoding, n_words: int) -> list[list[tuple[int, tuple[int, int]]]]:
    pieces: list[list[tuple[int, tuple[int, int]]]] = [[] for _ in range(n_words)]
    for token, word, span in zip(encoding.ids, encoding.word_ids, encoding.offsets, strict=True):
        if word is not None:
            pieces[word].append((token, span))
    return pieces


def joined(text: str | Sequence[str]) -> str:
    """The text itself, or the words with a space between: what offsets count characters of."""
    return text if isinstance(text, str) else " ".join(text)
