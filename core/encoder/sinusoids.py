"""Position embeddings that are not learned."""

from __future__ import annotations

import math

import torch
from torch import Tensor

__all__ = ["sinusoids"]


def sinusoids(n_positions: int, width: int) -> Tensor:
    """Sine on even places, cosine on odd ones, of rates that fall geometrically. Shape: (P, D).

    Source: Vaswani et al. 2017, arXiv:1706.03762, section 3.5.
    """
    places = torch.arange(n_positions, dtype=torch.float64).unsqueeze(1)
    rates = torch.exp(torch.arange(0, width, 2, dtype=torch.float64) * (-math.log(1e4) / width))
    table = torch.empty(n_positions, width, dtype=torch.float64)
    table[:, 0::2] = torch.sin(places * rates)
    table[:, 1::2] = torch.cos(places * rates[: width // 2])
    return table.float()
