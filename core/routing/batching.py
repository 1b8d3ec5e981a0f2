"""Cutting many examples into batches of a bounded size."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

__all__ = ["token_batches"]


def token_batches(
    n_tokens: Sequence[int], budget: int, groups: Sequence[Hashable] | None = None
) -> list[list[int]]:
    """Batches of examples, the longest first: what takes most memory is met at once.

    Args:
        n_tokens: Tokens of each example.
        budget: Most tokens of a batch; a longer example is a batch of its own.
        groups: Examples of one group, such as those under one adapter, come behind one another and
            so meet in few batches; groups come by their longest example. One group when None.

    Returns:
        The examples' places, each in one batch.
    """
    longest: dict[Hashable, int] = {}
    keys = [None] * len(n_tokens) if groups is None else groups
    for key, number in zip(keys, n_tokens, strict=True):
        longest[key] = max(number, longest.get(key, 0))
    rank = {key: place for place, key in enumerate(longest)}
    order = sorted(
        range(len(n_tokens)),
        key=lambda place: (-longest[keys[place]], rank[keys[place]], -n_tokens[place]),
    )
    batches: list[list[int]] = []
    room = -1
    for place in order:
        if n_tokens[place] > room:
            batches.append([])
            room = budget
        batches[-1].append(place)
        room -= n_tokens[place]
    return batches
