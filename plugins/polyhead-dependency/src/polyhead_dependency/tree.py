"""Dependency trees as lists of heads: one number a word, counted from 1, and 0 for the root."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["fault_of", "is_projective"]


def fault_of(heads: Sequence[int]) -> str | None:
    """Why `heads` are no tree with a single root, in a few words; None where they are one."""
    n_words = len(heads)
    for word, head in enumerate(heads, 1):
        if not 0 <= head <= n_words:
            return (
                f"the head of word {word} is {head}, and the heads of {n_words} words are numbers "
                f"from 0 (the root) to {n_words}"
            )
        if head == word:
            return f"word {word} is its own head"
    roots = [word for word, head in enumerate(heads, 1) if head == 0]
    if not roots:
        return "no word has the head 0, so that there is no root"
    if len(roots) > 1:
        return f"the words {roots[0]} and {roots[1]} both have the head 0; a tree has one root"
    cycle = _cycle(heads)
    if cycle:
        return f"the words {', '.join(map(str, cycle))} hang on one another in a circle"
    return None


def is_projective(heads: Sequence[int]) -> bool:
    """Whether no two arcs of a tree cross when all are drawn above the words, the root before."""
    arcs = sorted((min(word, head), max(word, head)) for word, head in enumerate(heads, 1))
    enclosing: list[int] = []
    for left, right in sorted(arcs, key=lambda arc: (arc[0], -arc[1])):
        while enclosing and enclosing[-1] <= left:
            enclosing.pop()
        if enclosing and enclosing[-1] < right:
            return False
        enclosing.append(right)
    return True


def _cycle(heads: Sequence[int]) -> list[int]:
    """The words of a circle of heads, sorted; none where every word leads to the root."""
    state = [0] * (len(heads) + 1)  # the walk that came by, each walk under its first word's number
    for first in range(1, len(heads) + 1):
        word = first
        while word and not state[word]:
            state[word] = first
            word = heads[word - 1]
        if word and state[word] == first:
            cycle = [word]
            while heads[cycle[-1] - 1] != word:
                cycle.append(heads[cycle[-1] - 1])
            return sorted(cycle)
    return []
