"""From the scores of arcs to the heads of words.

Dimensions: E sentences, W words of the longest.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from torch import Tensor

from polyhead_dependency.projective import best_projective_trees
from polyhead_dependency.spanning import best_tree
from polyhead_dependency.tree import fault_of, is_projective

__all__ = ["Decoding", "best_heads"]

Decoding = Literal["projective", "nonprojective", "greedy"]


def best_heads(scores: Tensor, n_words: Sequence[int], decoding: Decoding) -> list[list[int]]:
    """The head of each word of each sentence, 0 for the root.

    Args:
        scores: That of each word (second dimension) hanging on each head (third), the root being
            head 0. Shape: (E, W, W + 1).
        n_words: The words of each sentence.
        decoding: Which heads may go together.
    """
    likeliest: list[list[int]] = scores.argmax(dim=2).tolist()
    heads = [row[:length] for row, length in zip(likeliest, n_words, strict=True)]
    if decoding == "greedy":
        return heads
    # where the likeliest heads make a tree by themselves, none is better
    searched = [number for number, own in enumerate(heads) if not _is_done(own, decoding)]
    if decoding == "nonprojective":
        for number in searched:
            length = n_words[number]
            heads[number] = best_tree(scores[number, :length, : length + 1])
        return heads
    longest = max((n_words[number] for number in searched), default=0)
    chosen = scores[searched][:, :longest, : longest + 1]
    found = best_projective_trees(chosen, [n_words[number] for number in searched])
    for number, own in zip(searched, found, strict=True):
        heads[number] = own
    return heads


def _is_done(heads: Sequence[int], decoding: Decoding) -> bool:
    return fault_of(heads) is None and (decoding == "nonprojective" or is_projective(heads))
