"""Each token's hidden state beside those of the tokens around it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from polyhead.batch import sent

if TYPE_CHECKING:
    from polyhead.batch import Packing

__all__ = ["with_neighbours"]


def with_neighbours(values: Tensor, packing: Packing, reach: int) -> Tensor:
    """The states from `reach` tokens before each token to `reach` after it, side by side.

    A row's own tokens alone: what lies beyond its ends is 0, whatever row lies next to it.

    Args:
        values: Shape: (N, D).
        packing: Where each row lies.
        reach: How many on each side.

    Returns:
        Shape: (N, (2 * reach + 1) * D), the earliest first.
    """
    if reach == 0:
        return values
    shifts = torch.arange(-reach, reach + 1)
    lengths = torch.tensor(packing.lengths, dtype=torch.long)[packing.row_of_token]
    columns = packing.column_of_token.unsqueeze(1) + shifts
    is_there = (columns >= 0) & (columns < lengths.unsqueeze(1))
    places = torch.arange(packing.n_tokens).unsqueeze(1) + shifts
    # one row of zeros behind the others stands for what is not there
    index = sent(torch.where(is_there, places, packing.n_tokens), values.device)
    padded = torch.cat([values, values.new_zeros(1, values.shape[1])])
    return padded[index].flatten(1)
