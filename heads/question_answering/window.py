"""The context's tokens in one window."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Sequence

    from polyhead.batch import Row

__all__ = ["ContextWindow"]


@dataclass(frozen=True, slots=True)
class ContextWindow:
    """The part of a row, [CLS] question [SEP] context [SEP], that is context: C tokens.

    Attributes:
        first: The place of its first token in the row.
        start: How many of the context's sub-words lie before it.
        offsets: Start and end of each token, in characters of the context.
        words: The word of the context that each token is a part of, counted from 0.
    """

    first: int
    start: int
    offsets: Sequence[tuple[int, int]]
    words: Sequence[int]

    @classmethod
    def of(cls, row: Row) -> Self:
        """That of a row from `Tokenizer.windows`."""
        if row.segments is None or row.offsets is None or row.words is None:
            raise TypeError("the row has no offsets; rows of questions come from Tokenizer.windows")
        first = row.segments.index(1)
        return cls(first, row.start, row.offsets[first:-1], row.words[first:-1])

    def __len__(self) -> int:
        return len(self.offsets)

    @property
    def places(self) -> slice:
        """Where its tokens lie in the row."""
        return slice(self.first, self.first + len(self))

    @property
    def sub_words(self) -> range:
        """The number of each token among the context's sub-words."""
        return range(self.start, self.start + len(self))
