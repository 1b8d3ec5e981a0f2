"""From the tokens of a batch to its words, text by text, and back.

Dimensions: N tokens of all rows, S sub-words of all words, U words of all texts, B texts, T words
of the longest, K tags.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from polyhead.heads import IGNORED, SubWords

__all__ = ["BEGINS_TEXT", "BEGINS_WORD", "GOES_ON", "WordGrid", "parts_of"]

BEGINS_TEXT: Final = 2
"""A token that begins a text's first word."""
BEGINS_WORD: Final = 1
"""A token that begins another word of the same text."""
GOES_ON: Final = 0
"""A token that goes on with a word."""


def parts_of(text: SubWords, n_tokens: int) -> Tensor:
    """What each token of a text's rows is: one of the above, or -100 where it is of no word here.

    Shape: (n_tokens,), int64.
    """
    parts_N = torch.full((n_tokens,), IGNORED)
    tokens_S = torch.tensor(text.tokens)
    parts_N[tokens_S] = GOES_ON
    parts_N[tokens_S[torch.tensor(text.starts)]] = BEGINS_WORD
    parts_N[tokens_S[0]] = BEGINS_TEXT
    return parts_N


@dataclass(frozen=True)
class WordGrid:
    """Where the words of a batch lie: among its tokens, and in a grid of a row a text.

    Attributes:
        tokens: The tokens that are sub-words. Shape: (S,).
        words: The word of each. Shape: (S,).
        starts: The token that begins each word. Shape: (U,).
        texts: The text of each word. Shape: (U,).
        columns: Its place in the text. Shape: (U,).
        lengths: The words of each text. Shape: (B,).
    """

    tokens: Tensor
    words: Tensor
    starts: Tensor
    texts: Tensor
    columns: Tensor
    lengths: Tensor

    @classmethod
    def of(cls, parts: Tensor) -> WordGrid:
        """The grid of the words that `parts` tells of.

        Args:
            parts: What each token is, as `parts_of` has it, text after text. Shape: (N,).
        """
        tokens_S = (parts != IGNORED).nonzero().squeeze(1)
        parts_S = parts[tokens_S]
        begins_S = parts_S != GOES_ON
        first_words_B = (parts_S[begins_S] == BEGINS_TEXT).nonzero().squeeze(1)
        n_words = int(begins_S.sum())
        lengths_B = torch.diff(first_words_B, append=first_words_B.new_tensor([n_words]))
        texts_U = torch.repeat_interleave(lengths_B)
        return cls(
            tokens=tokens_S,
            words=begins_S.cumsum(dim=0) - 1,
            starts=tokens_S[begins_S],
            texts=texts_U,
            columns=torch.arange(n_words, device=parts.device) - first_words_B[texts_U],
            lengths=lengths_B,
        )

    @property
    def n_words(self) -> int:
        """U."""
        return len(self.starts)

    def first(self, values: Tensor) -> Tensor:
        """What each word's first sub-word has. Shape: (N, ...) -> (U, ...)."""
        return values[self.starts]

    def average(self, values: Tensor) -> Tensor:
        """The mean over each word's sub-words. Shape: (N, K) -> (U, K)."""
        sums_UK = values.new_zeros(self.n_words, values.shape[1])
        sums_UK = sums_UK.index_add(0, self.words, values[self.tokens])
        counts_U = torch.bincount(self.words, minlength=self.n_words)
        return sums_UK / counts_U.unsqueeze(1)

    def padded(self, values: Tensor) -> Tensor:
        """One text below the other, zeros behind the shorter ones. Shape: (U, ...) -> (B, T, ...).

        There must be a text.
        """
        shape = (len(self.lengths), int(self.lengths.max()), *values.shape[1:])
        return values.new_zeros(shape).index_put((self.texts, self.columns), values)

    def flat(self, values: Tensor) -> Tensor:
        """The words alone, text after text. Shape: (B, T, ...) -> (U, ...)."""
        return values[self.texts, self.columns]
