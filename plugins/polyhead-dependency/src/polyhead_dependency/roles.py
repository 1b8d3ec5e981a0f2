"""What the words of a batch are to the two biaffine layers.

Dimensions: N tokens, S numbers of a token, E sentences, W words of the longest, V = 1 + W heads
(the root and the words), A and R the widths for arcs and relations.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Self

import torch
from torch import Tensor

from polyhead_dependency.words import Words

__all__ = ["Roles"]


class Roles(NamedTuple):
    """Each word and the root, in float32.

    Attributes:
        arc_words: As words that look for a head. Shape: (E, W, A).
        arc_heads: As heads, the root first. Shape: (E, V, A).
        relation_words: As words of an arc. Shape: (E, W, R).
        relation_heads: As heads of an arc. Shape: (E, V, R).
    """

    arc_words: Tensor
    arc_heads: Tensor
    relation_words: Tensor
    relation_heads: Tensor

    @classmethod
    def of(cls, values: Tensor, words: Words, widths: Sequence[int]) -> Self:
        """The roles that tokens say their words have.

        Args:
            values: What each token is in all four roles, side by side; or, without widths, in each
                of them. Shape: (N, S).
            words: Where the words are.
            widths: Of the four roles, or none.
        """
        pooled_EVS = words.pooled(values.float())
        parts = torch.split(pooled_EVS, list(widths), dim=2) if widths else (pooled_EVS,) * 4
        arc_words, arc_heads, relation_words, relation_heads = parts
        return cls(arc_words[:, 1:], arc_heads, relation_words[:, 1:], relation_heads)
