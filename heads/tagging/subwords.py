"""The sub-words of one text, each from the window that sees most around it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from polyhead.batch import Row
    from polyhead.heads.tagging.example import TaggingExample

__all__ = ["IGNORED", "SubWords"]

IGNORED: Final = -100
"""The target of tokens that are not asked for, as torch's cross entropy has it."""

_FIRST_COLUMN: Final = 1  # behind [CLS]
_SPECIAL_TOKENS: Final = 2  # [CLS] and [SEP]


@dataclass(frozen=True, slots=True)
class SubWords:
    """The sub-words of one text in its order, each once.

    Attributes:
        tokens: The place of each among the tokens of the example's rows.
        ids: The token id of each.
        offsets: Start and end of each, in characters of the text.
        starts: The first sub-word of each word.
    """

    tokens: Sequence[int]
    ids: Sequence[int]
    offsets: Sequence[tuple[int, int]]
    starts: Sequence[int]

    @classmethod
    def of(cls, rows: Sequence[Row]) -> SubWords:
        """Those of a text that is covered by `rows`, as the tokenizer's `windows` makes them."""
        tokens: list[int] = []
        ids: list[int] = []
        offsets: list[tuple[int, int]] = []
        words: list[int] = []
        before = 0
        for row, columns in zip(rows, _answered_columns(rows), strict=True):
            if row.offsets is None or row.words is None:
                raise RuntimeError("rows of a tagging head need offsets; make them with `windows`")
            tokens += range(before + columns.start, before + columns.stop)
            ids += row.ids[columns]
            offsets += row.offsets[columns]
            words += row.words[columns]
            before += len(row)
        later = (place for place, (left, right) in enumerate(pairwise(words), 1) if left != right)
        return cls(tokens, ids, offsets, [0, *later])

    def words_of(self, example: TaggingExample) -> list[tuple[int, int]]:
        """Start and end of each word of the example they are of, in characters of its content."""
        if example.tokens is None:
            return self.spans(self.starts)
        # not from the sub-words: characters that the tokenizer drops belong to the word too
        spans = []
        start = 0
        for token in example.tokens:
            spans.append((start, start + len(token)))
            start += len(token) + 1
        return spans

    def spans(self, starts: Sequence[int]) -> list[tuple[int, int]]:
        """Start and end of parts that begin at the sub-words `starts`, in characters."""
        lasts = [*(start - 1 for start in starts[1:]), len(self.offsets) - 1]
        return [
            (self.offsets[first][0], self.offsets[last][1])
            for first, last in zip(starts, lasts, strict=True)
        ]


def _answered_columns(rows: Sequence[Row]) -> Iterator[slice]:
    """The columns of each window whose sub-words it answers.

    What two windows share is divided in its middle: up to there the first has more text on the
    right than the second has on the left, and both have at least as much on their other sides.
    """
    first = 0
    for number, row in enumerate(rows):
        stop = row.start + len(row) - _SPECIAL_TOKENS
        if number + 1 < len(rows):
            stop = (stop + rows[number + 1].start + 1) // 2
        shift = _FIRST_COLUMN - row.start
        yield slice(first + shift, stop + shift)
        first = stop
