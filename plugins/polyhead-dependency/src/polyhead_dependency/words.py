"""Which tokens of a batch stand for which words, and the words' vectors.

Dimensions: N tokens of all sentences, M tokens that stand for a word or the root, E sentences, W
words of the longest sentence, D width.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Literal

import torch
from torch import Tensor

import polyhead as ph

__all__ = ["NOT_KNOWN", "NO_WORD", "ROOT", "Pooling", "Words", "word_numbers"]

Pooling = Literal["first", "mean"]

ROOT: Final = 0
"""The number of what stands for the root: a sentence's first token, [CLS]."""

NO_WORD: Final = -100
"""In the place of a word's number: a token that is not read."""

NOT_KNOWN: Final = -100
"""In the place of a head or a relation: nothing to learn from."""


def word_numbers(row: ph.Row, pooling: Pooling) -> list[int]:
    """The word that each token of a sentence stands for, counted from 1.

    Args:
        row: The sentence, as the tokenizer's `rows` makes it with offsets.
        pooling: Whether the first sub-word of a word stands for it, or all together.
    """
    if row.words is None:
        raise RuntimeError("rows of a dependency head need offsets; make them with `encode`")
    numbers = [NO_WORD if word < 0 else word + 1 for word in row.words]
    if pooling == "first":
        later = [
            place for place, (left, right) in enumerate(pairwise(row.words), 1) if left == right
        ]
        for place in later:
            numbers[place] = NO_WORD
    numbers[0] = ROOT
    return numbers


@dataclass(frozen=True)
class Words:
    """Where the words of a batch's sentences are.

    Attributes:
        counts: How many words of each sentence are read.
        tokens: The tokens that stand for something. Shape: (M,), int64.
        places: The sentence of each of them, and the number of its word, 0 for the root. Shape: two
            of (M,), int64.
    """

    counts: tuple[int, ...]
    tokens: Tensor
    places: tuple[Tensor, Tensor]

    @classmethod
    def of(cls, numbers: Tensor) -> Words:
        """Those of tokens with these word numbers; a sentence begins where the root is.

        Args:
            numbers: The word that each token stands for, `ROOT` or `NO_WORD`. Shape: (N,), int64.
        """
        sentences_N = (numbers == ROOT).cumsum(dim=0) - 1
        tokens_M = (numbers != NO_WORD).nonzero().squeeze(1)
        places = sentences_N[tokens_M], numbers[tokens_M]
        n_sentences = int(sentences_N[-1]) + 1 if len(sentences_N) else 0
        counts_E = numbers.new_zeros(n_sentences).scatter_reduce(0, places[0], places[1], "amax")
        return cls(tuple(counts_E.tolist()), tokens_M, places)

    @property
    def longest(self) -> int:
        """W."""
        return max(self.counts, default=0)

    def to(self, device: torch.device) -> Words:
        """The same on another device."""
        sentences, numbers = self.places
        return Words(
            self.counts, self.tokens.to(device), (sentences.to(device), numbers.to(device))
        )

    def pooled(self, values: Tensor) -> Tensor:
        """The mean over the tokens of the root and of each word; 0 where there is none.

        Shape: (N, D) -> (E, 1 + W, D).
        """
        size = (len(self.counts), 1 + self.longest)
        chosen_MD = values[self.tokens]
        sums = values.new_zeros(*size, values.shape[1])
        sums = sums.index_put(self.places, chosen_MD, accumulate=True)
        ones_M = values.new_ones(len(self.tokens))
        n_tokens = values.new_zeros(size).index_put(self.places, ones_M, accumulate=True)
        return sums / n_tokens.clamp(min=1).unsqueeze(2)

    def spread(self, values: Tensor) -> Tensor:
        """What the tokens of each word say, which is the same for all of them.

        Args:
            values: Shape: (N,), int64.

        Returns:
            `NOT_KNOWN` where there is no word. Shape: (E, W).
        """
        size = (len(self.counts), 1 + self.longest)
        filled = values.new_full(size, NOT_KNOWN)
        return filled.index_put(self.places, values[self.tokens])[:, 1:]

    def is_node(self) -> Tensor:
        """Where there is a word or the root. Shape: (E, 1 + W), bool."""
        counts = torch.tensor(self.counts, device=self.tokens.device)
        return torch.arange(1 + self.longest, device=counts.device) <= counts.unsqueeze(1)
