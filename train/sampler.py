"""Which examples go into a batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["shuffled_batches"]


def shuffled_batches(
    sizes: Sequence[int], batch_size: int, generator: torch.Generator
) -> list[list[tuple[int, list[int]]]]:
    """One epoch's batches: every example of every task once, in random order.

    Tasks are drawn in proportion to their sizes, so a batch may hold rows of several.

    Args:
        sizes: Examples of each task.
        batch_size: Examples of a batch, all tasks together; the last batch may be smaller.
        generator: The source of the order; it is advanced.

    Returns:
        For each batch, the tasks in it by their place in `sizes`, each with its examples' places.
    """
    owners = [(task, place) for task, size in enumerate(sizes) for place in range(size)]
    order = torch.randperm(len(owners), generator=generator).tolist()
    batches = []
    for start in range(0, len(order), batch_size):
        chosen: dict[int, list[int]] = {}
        for number in order[start : start + batch_size]:
            task, place = owners[number]
            chosen.setdefault(task, []).append(place)
        batches.append(sorted(chosen.items()))
    return batches
