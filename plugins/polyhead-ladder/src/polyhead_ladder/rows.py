"""Packed tokens as rows of one length, for attention.

Dimensions: P ladders, B rows, T tokens of the longest row, N tokens of all rows, W numbers a token.
"""

from __future__ import annotations

import torch
from torch import Tensor

import polyhead as ph

__all__ = ["Rows"]


class Rows:
    """The rows of one batch, one below the other, for several ladders at once.

    Where all rows have one length, nothing is copied. Else the places behind a shorter row hold its
    own first token, which no other row is ever mixed with, and are masked.

    Attributes:
        mask: Which places hold a token, or None where all do. Shape: (B, 1, 1, T), bool.
    """

    def __init__(self, packing: ph.Packing, device: torch.device) -> None:
        """Prepares the way there and back.

        Args:
            packing: Where each row lies among the tokens. There is at least one row.
            device: Of the tokens.
        """
        self._size = packing.n_rows, max(packing.lengths)
        self.mask: Tensor | None = None
        if min(packing.lengths) == self._size[1]:
            return
        column_T = torch.arange(self._size[1])
        is_token_BT = column_T < torch.tensor(packing.lengths).unsqueeze(1)
        start_B1 = torch.tensor(packing.starts[:-1]).unsqueeze(1)
        token_BT = start_B1 + torch.where(is_token_BT, column_T, 0)
        self.mask = is_token_BT[:, None, None].to(device)
        self._token_of_place = token_BT.flatten().to(device)
        self._place_of_token = is_token_BT.flatten().nonzero().squeeze(1).to(device)

    def padded(self, values: Tensor) -> Tensor:
        """Values of the tokens, row by row. Shape: (P, N, W) -> (P, B, T, W)."""
        if self.mask is not None:
            values = values.index_select(1, self._token_of_place)
        return values.view(values.shape[0], *self._size, values.shape[2])

    def packed(self, values: Tensor) -> Tensor:
        """The inverse of `padded`. Shape: (P, B, T, W) -> (P, N, W)."""
        values = values.flatten(1, 2)
        return values if self.mask is None else values.index_select(1, self._place_of_token)
