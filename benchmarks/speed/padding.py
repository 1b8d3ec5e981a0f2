"""Batches as the peers take them: rows of one length, with zeros where a text has ended."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.speed.answering import Logits, Rows


def places_of(rows: Rows, size: int, *, is_sorted: bool) -> list[list[int]]:
    """Cut rows into batches: in the order they came, or the longest first."""
    order = list(range(len(rows)))
    if is_sorted:
        order.sort(key=lambda place: len(rows[place]), reverse=True)
    return [order[start : start + size] for start in range(0, len(order), size)]


def padded(rows: Rows) -> tuple[list[list[int]], list[list[int]]]:
    """Return token ids and masks, each row as long as the longest."""
    longest = max(map(len, rows))
    ids = [[*row, *[0] * (longest - len(row))] for row in rows]
    masks = [[1] * len(row) + [0] * (longest - len(row)) for row in rows]
    return ids, masks


def answered(
    rows: Rows, batches: Sequence[Sequence[int]], compute: Callable[[Rows, Sequence[int]], Logits]
) -> Logits:
    """Compute batch by batch; return the logits in the order of the rows.

    Args:
        rows: Token ids of each text.
        batches: Places of rows.
        compute: From the rows of a batch and their places to their logits.
    """
    found: dict[int, list[float]] = {}
    for places in batches:
        logits = compute([rows[place] for place in places], places)
        found.update(zip(places, logits, strict=True))
    return [found[place] for place in range(len(rows))]
