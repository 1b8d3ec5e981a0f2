"""How alike vectors are: all pairs of two sets, and the nearest ones of a large set.

Dimensions: Q queries, C vectors of the collection, W width, K results.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

from polyhead.errors import InputError

__all__ = ["CHUNK", "Vectors", "cosine_similarity", "nearest", "top_k", "unit_vectors"]

Vectors = Tensor | Sequence[Sequence[float]]
"""Vectors of one width: a tensor, (n, W), or lists of numbers, as predictions hold them."""

CHUNK: Final = 16_384
"""Vectors of a collection that are compared at once."""
_QUERIES: Final = 256
"""Queries at once: with `CHUNK`, 16 MB of cosines."""
_MATRIX: Final = 2


def cosine_similarity(a: Vectors, b: Vectors) -> Tensor:
    """The cosine of every vector of one set with every vector of the other.

    Args:
        a: Shape: (n, W).
        b: Shape: (m, W).

    Returns:
        Numbers from -1 to 1; 0 for a vector of zeros. Shape: (n, m), float32, on `a`'s device.

    Raises:
        InputError: They are not vectors of one width, or hold NaN or infinity.
    """
    unit_a, unit_b = unit_vectors(a), unit_vectors(b)
    _check_widths(unit_a, unit_b)
    return (unit_a @ unit_b.to(unit_a.device).T).clamp(-1, 1)


def top_k(queries: Vectors, collection: Vectors, k: int) -> tuple[Tensor, Tensor]:
    """The `k` vectors of a collection that are most like each query, by cosine.

    The search is exact: each vector is compared. It goes through the collection in parts, so what
    it holds besides its arguments does not grow with the collection.

    Args:
        queries: Shape: (Q, W).
        collection: Shape: (C, W).
        k: How many to find; all of them where the collection has fewer.

    Returns:
        Their cosines, highest first, and their places in the collection, counted from 0; of equal
        cosines either may come first. Shapes: (Q, K), float32, and (Q, K), int64, where K is the
        lower of `k` and C; on the queries' device.

    Raises:
        InputError: They are not vectors of one width, hold NaN or infinity, or `k` is below 1.
    """
    queries_QW = unit_vectors(queries)
    collection_CW = _matrix(collection)
    _check_widths(queries_QW, collection_CW)
    return nearest(
        queries_QW, (unit_vectors(part) for part in torch.split(collection_CW, CHUNK)), k
    )


def nearest(queries: Tensor, parts: Iterable[Tensor], k: int) -> tuple[Tensor, Tensor]:
    """`top_k` for vectors of length 1, the collection in parts of at most `CHUNK`.

    Args:
        queries: Shape: (Q, W).
        parts: Shape of each: (any, W).
        k: How many to find.

    Raises:
        InputError: `k` is below 1.
    """
    if not isinstance(k, int) or isinstance(k, bool) or k < 1:
        raise InputError(f"k must be a whole number from 1 on, not {k!r}.")
    best_QK = queries.new_zeros(len(queries), 0)
    places_QK = best_QK.long()
    start = 0
    for part_CW in parts:
        found = [_best_of(chunk_QW, part_CW, k) for chunk_QW in torch.split(queries, _QUERIES)]
        best_QK = torch.cat([best_QK, torch.cat([scores for scores, _ in found])], dim=1)
        places_QK = torch.cat([places_QK, torch.cat([own for _, own in found]) + start], dim=1)
        best_QK, order_QK = best_QK.topk(min(k, best_QK.shape[1]), dim=1)
        places_QK = places_QK.gather(1, order_QK)
        start += len(part_CW)
    return best_QK, places_QK


def unit_vectors(vectors: Vectors) -> Tensor:
    """The vectors with length 1, those of zeros as they are. Shape: (n, W), float32.

    Raises:
        InputError: They are not vectors of one width, or hold NaN or infinity.
    """
    matrix = _matrix(vectors).float()
    if not bool(torch.isfinite(matrix).all()):
        row = int(torch.isfinite(matrix).all(dim=1).logical_not().nonzero()[0, 0])
        raise InputError("a vector holds NaN or infinity, which is like nothing.", index=row)
    return functional.normalize(matrix, dim=1)


def _best_of(queries: Tensor, part: Tensor, k: int) -> tuple[Tensor, Tensor]:
    scores_QC = (queries @ part.to(queries.device).T).clamp(-1, 1)
    scores_QK, places_QK = scores_QC.topk(min(k, len(part)), dim=1)
    return scores_QK, places_QK


def _matrix(vectors: Vectors) -> Tensor:
    try:
        matrix = torch.as_tensor(vectors)
    except (TypeError, ValueError, RuntimeError):
        raise InputError("vectors must be a tensor, or lists of numbers of one length.") from None
    if matrix.ndim != _MATRIX or matrix.is_complex():
        raise InputError(
            f"vectors must have the shape (number, width), not {tuple(matrix.shape)}; put a single "
            "one in a list."
        )
    return matrix


def _check_widths(a: Tensor, b: Tensor) -> None:
    if a.shape[1] != b.shape[1]:
        raise InputError(
            f"vectors of width {a.shape[1]} cannot be compared with vectors of width {b.shape[1]}; "
            "embed both with one task."
        )
