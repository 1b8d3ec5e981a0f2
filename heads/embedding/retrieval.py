"""How well texts find the texts that belong to them.

Dimensions: Q queries, C texts of the collection, P pairs of a query and a right answer, W width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import torch

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Query", "ranks_of_answers", "retrieval_figures"]

_COSINES: Final = 2**22
"""Most cosines held at once: 16 MB of them."""
_DEPTHS: Final = (1, 5, 10)


@dataclass(frozen=True)
class Query:
    """One text that searches.

    Attributes:
        answers: The places of its right answers in the collection, each once; at least one.
        itself: Its own place, if it stands in the collection and is no answer: it is passed over.
    """

    answers: tuple[int, ...]
    itself: int | None = None


def ranks_of_answers(
    vectors: Tensor, collection: Tensor, queries: Sequence[Query]
) -> list[list[int]]:
    """The ranks of each query's right answers, the best one first.

    A wrong answer that is as near as a right one ranks before it, so that vectors which are all the
    same find nothing.

    Args:
        vectors: Of the queries, of length 1. Shape: (Q, W).
        collection: Vectors of length 1. Shape: (C, W).
        queries: What each is to find.

    Returns:
        For each query ascending numbers, counted from 1.
    """
    pairs = [(number, place) for number, query in enumerate(queries) for place in query.answers]
    n_at_once = max(1, _COSINES // max(1, len(collection)))
    n_before: list[list[int]] = [[] for _ in queries]
    for start in range(0, len(pairs), n_at_once):
        chosen = pairs[start : start + n_at_once]
        counts = _count_before(vectors, collection, queries, chosen)
        for (number, _), count in zip(chosen, counts, strict=True):
            n_before[number].append(count)
    return [
        [count + rank for rank, count in enumerate(sorted(counts), start=1)] for counts in n_before
    ]


def retrieval_figures(ranks: Sequence[Sequence[int]]) -> dict[str, float]:
    """`mrr`, and `recall_at_1`, `recall_at_5` and `recall_at_10`, means over the queries.

    The reciprocal rank is that of the best right answer; the recall at k is the share of a query's
    right answers among the first k.
    """
    n_queries = len(ranks)
    figures = {"mrr": sum(1 / min(own) for own in ranks) / n_queries}
    for depth in _DEPTHS:
        shares = (sum(rank <= depth for rank in own) / len(own) for own in ranks)
        figures[f"recall_at_{depth}"] = sum(shares) / n_queries
    return figures


def _count_before(
    vectors: Tensor,
    collection: Tensor,
    queries: Sequence[Query],
    pairs: Sequence[tuple[int, int]],
) -> list[int]:
    """How many wrong answers rank before each pair's right one."""
    numbers_P = torch.tensor([number for number, _ in pairs])
    places_P = torch.tensor([place for _, place in pairs])
    cosines_PC = vectors[numbers_P] @ collection.T
    own_P1 = cosines_PC.gather(1, places_P.unsqueeze(1))
    rows: list[int] = []
    columns: list[int] = []
    for row, (number, _) in enumerate(pairs):
        query = queries[number]
        passed = query.answers if query.itself is None else (*query.answers, query.itself)
        rows += [row] * len(passed)
        columns += passed
    cosines_PC[rows, columns] = -torch.inf
    counts: list[int] = (cosines_PC >= own_P1).sum(dim=1).tolist()
    return counts
