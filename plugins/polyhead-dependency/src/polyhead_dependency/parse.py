"""The tree that was found for a sentence."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Parse"]


@dataclass(frozen=True)
class Parse:
    """The heads of the words that were read.

    Attributes:
        heads: The head of each, counted from 1; 0 for the root.
        deprels: The relation of each to its head.
        scores: The probability of that head times that of the relation.
    """

    heads: list[int]
    deprels: list[str]
    scores: list[float]
