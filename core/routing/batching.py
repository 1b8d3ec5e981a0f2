"""Cutting many examples into batches of a bounded size."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["token_batches"]


def token_batches(n_tokens: Sequence[int], budget: int) -> list[list[int]]:
    """Batches of examples of similar length, the longest first.

    Args:
        n_tokens: Tokens of each example.
        budget: Most tokens of a batch; a longer example is a batch of its own.

    Returns:
        The examples' places, each in one batch.
    """
    batches: list[list[int]] = []
    room = -1
    for place in sorted(range(len(n_tokens)), key=n_tokens.__getitem__, reverse=True):
        if n_tokens[place] > room:
            batches.append([])
            room = budget
        batches[-1].append(place)
        room -= n_tokens[place]
    return batches
