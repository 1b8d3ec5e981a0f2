"""Directions of length 1 at right angles, as a matrix whose rows are free to be trained.

Dimensions: R directions, D width.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from polyhead.errors import ConversionError

__all__ = ["orthonormal", "parametrization_of", "projection_of"]

_SLACK = 1e-3  # of products that should be 0 or 1; far above what rounding makes of them


def orthonormal(rows: Tensor) -> Tensor:
    """The rows, each without what it has of those above it, and of length 1.

    Rows that are orthonormal are left as they are, but for rounding. Half precision is computed in
    float32.

    Shape: (R, D) -> (R, D), R at most D.
    Source: Gram and Schmidt's orthogonalisation, by torch's QR decomposition.
    """
    exact_RD = rows.to(torch.promote_types(rows.dtype, torch.float32))
    if len(exact_RD) == 1:  # the common case, in one step
        return functional.normalize(exact_RD, dim=1).to(rows.dtype)
    q_DR, r_RR = torch.linalg.qr(exact_RD.mT)
    signs_R = torch.where(r_RR.diagonal() < 0, -1.0, 1.0).to(q_DR)
    found: Tensor = (q_DR * signs_R).mT.to(rows.dtype)
    return found


def projection_of(original: Tensor, base: Tensor) -> Tensor:
    """The rows that `torch.nn.utils.parametrizations.orthogonal` makes of what it saves.

    Args:
        original: The tensor `parametrizations.weight.original`. Shape: (R, D).
        base: The tensor `parametrizations.weight.0.base`. Shape: (D, D).

    Returns:
        Shape: (R, D).

    Raises:
        ConversionError: Their shapes do not go together, or they do not make orthonormal rows.
    """
    width = original.shape[-1]
    is_whole = original.shape == (len(original), width) and len(original) <= width
    if not is_whole or base.shape != (width, width):
        raise ConversionError(
            f"an orthogonal projection of the shapes {tuple(original.shape)} and "
            f"{tuple(base.shape)} is damaged; they should be (r, width) and (width, width)."
        )
    rows_RD = _square(original, base) if len(original) == len(base) else _wide(original, base)
    error = (rows_RD @ rows_RD.mT - torch.eye(len(rows_RD)).to(rows_RD)).abs().max()
    if not error < _SLACK:  # true for NaN too
        raise ConversionError(
            "the rows of an orthogonal projection are not orthonormal, by "
            f"{float(error):.2g}; its file is damaged, or was trained with weight decay."
        )
    return rows_RD


def parametrization_of(projection: Tensor) -> tuple[Tensor, Tensor]:
    """What `projection_of` makes those rows of.

    Args:
        projection: Orthonormal rows. Shape: (R, D).

    Returns:
        `original`, shape (R, D), and `base`, shape (D, D).
    """
    rank, width = projection.shape
    original_RD = -torch.eye(rank, width).to(projection)
    if rank == width:
        return original_RD, projection.clone()
    base_DD, _ = torch.linalg.qr(projection.mT, mode="complete")
    base_DD[:, :rank] = projection.mT  # up to signs they are there already
    return original_RD, base_DD


def _wide(original_RD: Tensor, base_DD: Tensor) -> Tensor:
    """Householder reflections, one for each row."""
    reflectors_DR = original_RD.mT.tril(diagonal=-1)
    factors_R = 2 / (1 + reflectors_DR.square().sum(dim=0))
    signs_R = original_RD.diagonal().int()  # torch cuts them to whole numbers there too
    q_DR = torch.linalg.householder_product(reflectors_DR, factors_R) * signs_R
    rows_RD: Tensor = (base_DD @ q_DR).mT.contiguous()
    return rows_RD


def _square(original_DD: Tensor, base_DD: Tensor) -> Tensor:
    """The exponential of a skew-symmetric matrix."""
    lower_DD = original_DD.tril()
    rows_DD: Tensor = base_DD @ torch.matrix_exp(lower_DD - lower_DD.mT)
    return rows_DD
