"""A change of the states of a few tokens, behind one layer.

Dimensions: N tokens of all rows, S of them that are changed, D width, R directions.
"""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional, init

from polyhead.adapters.linear import DrawnLinear
from polyhead.adapters.reft.projection import orthonormal
from polyhead.contracts import activation_of

if TYPE_CHECKING:
    from polyhead.adapters.reft.config import ReftConfig
    from polyhead.batch import Packing

__all__ = ["ReftSite", "ReftUnit"]


class ReftUnit(nn.Module):
    """A change of states in R directions.

    With x a state, P the directions as rows, and g the activation or nothing:

        x + P^T (g(W x + b) - P x)      (loreft with orthonormal P, noreft with any)
        x + P^T g(W x + b)              (direft)

    Source: Wu et al. 2024, arXiv:2404.03592; as in the `adapters` library 1.3, whose files the
    tests read.
    """

    def __init__(self, config: ReftConfig, width: int, generator: torch.Generator | None) -> None:
        """Builds one unit with fresh weights.

        Args:
            config: Of the adapter it belongs to.
            width: D.
            generator: Where its weights are drawn from; None is torch's global generator.
        """
        super().__init__()
        self.config = config
        self.activation = activation_of(config.non_linearity or "linear")
        self.source = DrawnLinear(width, config.r, generator)
        drawn_RD = torch.empty(config.r, width)
        bound = 1 / math.sqrt(width)
        init.uniform_(drawn_RD, -bound, bound, generator=generator)
        self.projection = nn.Parameter(orthonormal(drawn_RD) if config.orthogonality else drawn_RD)

    def directions(self) -> Tensor:
        """P. Shape: (R, D)."""
        return orthonormal(self.projection) if self.config.orthogonality else self.projection

    def forward(self, states: Tensor) -> Tensor:
        """The changed states. Shape: (S, D) -> (S, D)."""
        directions_RD = self.directions()
        put_SR = self.activation(self.source(states))
        if self.config.subtract_projection:
            put_SR = put_SR - functional.linear(states, directions_RD)
        changed_SD = states + put_SR @ directions_RD
        return functional.dropout(changed_SD, self.config.dropout, self.training)


class ReftSite(nn.Module):
    """A tap that changes the first and the last tokens of each row.

    A token at both ends of a short row is changed once, as one of the last.
    """

    def __init__(self, config: ReftConfig, width: int, generator: torch.Generator | None) -> None:
        """Builds the units of one layer with fresh weights.

        Args:
            config: Of the adapter it belongs to.
            width: D.
            generator: Where their weights are drawn from; None is torch's global generator.
        """
        super().__init__()
        self.config = config
        for name in config.units:
            self.add_module(name, ReftUnit(config, width, generator))

    def forward(self, values: Tensor, packing: Packing) -> Tensor:
        """The hidden states that leave the layer; see TokenTap. Shape: (N, D) -> (N, D)."""
        config = self.config
        for name, unit in self.named_children():
            index_S = packing.kept(  # for all layers
                f"reft {name} {config.prefix_positions} {config.suffix_positions}",
                values.device,
                partial(self._index, name, packing),
            )
            values = values.index_copy(0, index_S, unit(values.index_select(0, index_S)))
        return values

    def _index(self, name: str, packing: Packing) -> Tensor:
        """The tokens that a unit changes. Shape: (S,), int64, on the CPU."""
        first, last = self._places(packing)
        ends = {"prefix": first, "suffix": last, "tied": first + last}
        return torch.tensor(ends[name], dtype=torch.long)

    def _places(self, packing: Packing) -> tuple[list[int], list[int]]:
        """The tokens at the start of rows and those at their ends, none of them in both."""
        first: list[int] = []
        last: list[int] = []
        rows = zip(packing.starts, packing.lengths, packing.whole_lengths, strict=False)
        for start, length, whole in rows:
            middle = whole - min(self.config.suffix_positions, whole)
            first += range(start, start + min(self.config.prefix_positions, middle, length))
            last += range(start + middle, start + length)
        return first, last
