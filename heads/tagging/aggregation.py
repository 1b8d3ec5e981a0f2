"""From the probabilities of sub-words to one tag for each word.

Dimensions: N tokens of all rows, S sub-words, U units that get a tag (words, or sub-words), K tags.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import torch
from torch import Tensor

from polyhead.heads.tagging.subwords import SubWords

if TYPE_CHECKING:
    from polyhead.contracts import Encoded
    from polyhead.heads.tagging.grammar import Grammar

__all__ = ["Strategy", "TaggedText", "aggregated", "is_by_word", "tagged_texts"]

Strategy = Literal["none", "simple", "first", "average", "max"]
"""As transformers' token classification pipeline names them."""


_BY_SUB_WORD: Final = frozenset({"none", "simple"})


@dataclass(frozen=True, slots=True)
class TaggedText:
    """The answer for one text, in numbers.

    Attributes:
        sub_words: Of the text.
        starts: The first sub-word of each unit.
        tags: The tag of each unit, by number.
        scores: Its probability.
        by_word: Whether the units are the words of the text, and not its sub-words.
    """

    sub_words: SubWords
    starts: Sequence[int]
    tags: Sequence[int]
    scores: Sequence[float]
    by_word: bool = True


def is_by_word(strategy: Strategy) -> bool:
    """Whether the units that get a tag are words."""
    return strategy not in _BY_SUB_WORD


def tagged_texts(
    probabilities: Tensor,
    encoded: Sequence[Encoded],
    strategy: Strategy,
    grammar: Grammar | None = None,
) -> Iterator[TaggedText]:
    """The tag of each unit of each example.

    Args:
        probabilities: Of all tokens of the examples' rows. Shape: (N, K).
        encoded: The examples.
        strategy: What the units are, and how their sub-words are taken together.
        grammar: What the tags of a text must keep to, where the units are words; without it each
            unit has its most probable one.
    """
    texts = [SubWords.of(item.rows) for item in encoded]
    tokens_S: list[int] = []
    starts_U: list[int] = []
    counts = []
    n_tokens = 0
    for item, text in zip(encoded, texts, strict=True):
        starts = _units(text, strategy)
        counts.append(len(starts))
        starts_U += [len(tokens_S) + start for start in starts]
        tokens_S += [n_tokens + token for token in text.tokens]
        n_tokens += item.n_tokens
    chosen_SK = probabilities[torch.tensor(tokens_S, dtype=torch.long)]
    chosen_UK = aggregated(chosen_SK, starts_U, strategy)
    by_word = is_by_word(strategy)
    if grammar is None or not by_word:
        tags_U = chosen_UK.argmax(dim=1)
    else:
        tags_U = grammar.best(chosen_UK, counts)
    scores_U = chosen_UK.gather(1, tags_U.unsqueeze(1)).squeeze(1)
    parts = zip(torch.split(scores_U, counts), torch.split(tags_U, counts), strict=True)
    for text, (scores, tags) in zip(texts, parts, strict=True):
        starts = _units(text, strategy)
        yield TaggedText(text, starts, tags.tolist(), scores.tolist(), by_word)


def aggregated(probabilities: Tensor, starts: Sequence[int], strategy: Strategy) -> Tensor:
    """The probabilities of units that consist of sub-words.

    A unit has those of its first sub-word, the mean over its sub-words ("average"), or those of the
    sub-word that is surest of any tag ("max").

    Args:
        probabilities: Of the sub-words, in order. Shape: (S, K).
        starts: The first sub-word of each unit, ascending from 0.
        strategy: How they are taken together.

    Returns:
        Shape: (U, K).
    """
    first_U = torch.tensor(starts, dtype=torch.long)
    if strategy not in {"average", "max"} or len(first_U) == len(probabilities):
        return probabilities[first_U]
    n_sub_words, n_tags = probabilities.shape
    counts_U = torch.diff(first_U, append=torch.tensor([n_sub_words]))
    unit_S = torch.repeat_interleave(torch.arange(len(first_U)), counts_U)
    if strategy == "average":
        sums_UK = probabilities.new_zeros(len(first_U), n_tags).index_add(0, unit_S, probabilities)
        return sums_UK / counts_U.unsqueeze(1)
    top_S = probabilities.amax(dim=1)
    top_U = top_S.new_zeros(len(first_U)).scatter_reduce(0, unit_S, top_S, "amax")
    # of equally sure ones the first
    place_S = torch.arange(n_sub_words).where(top_S == top_U[unit_S], n_sub_words)
    return probabilities[
        first_U.new_full((len(first_U),), n_sub_words).scatter_reduce(0, unit_S, place_S, "amin")
    ]


def _units(text: SubWords, strategy: Strategy) -> Sequence[int]:
    """The first sub-word of each unit: of each word, or each sub-word by itself."""
    return text.starts if is_by_word(strategy) else range(len(text.tokens))
