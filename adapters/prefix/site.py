"""The prefix of one layer, and the network that the prefixes of all layers are computed by.

Dimensions: N tokens of all rows, B rows, D width, P length of the prefix, R width of the network, H
attention heads, W width of a head, G gates.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional, init

from polyhead.adapters.linear import DrawnLinear
from polyhead.adapters.row_gate import RowGate
from polyhead.contracts import Prefixes, activation_of

if TYPE_CHECKING:
    from polyhead.adapters.prefix.config import PrefixConfig
    from polyhead.batch import Packing
    from polyhead.contracts import EncoderShape

__all__ = ["PrefixSite", "PrefixTap", "PrefixTrunk"]


class PrefixTrunk(nn.Module):
    """What the prefixes of all layers have in common: an embedding for each place, and a layer.

    It reads nothing of the text, and costs next to nothing: each layer's tap computes it again, so
    that no tap depends on another's call.
    """

    def __init__(self, config: PrefixConfig, width: int, generator: torch.Generator | None) -> None:
        """Builds the network with fresh weights.

        Args:
            config: Of the adapter it belongs to.
            width: D.
            generator: Where its weights are drawn from; None is torch's global generator.
        """
        super().__init__()
        self.embedding = nn.Parameter(torch.empty(config.prefix_length, width))
        init.normal_(self.embedding, generator=generator)
        self.down = DrawnLinear(width, config.bottleneck_size, generator)
        self.activation = activation_of(config.non_linearity)

    def forward(self) -> Tensor:
        """What each layer's own projection reads. Shape: (P, R)."""
        return self.activation(self.down(self.embedding))


class PrefixSite(nn.Module):
    """The keys and values in front of one layer's own.

    They are learned themselves, or projected from what a `PrefixTrunk` holds. A row's gates are the
    means of `sigmoid(w x + b)` over its own tokens, x what the layer reads.

    Source: Li & Liang 2021, arXiv:2101.00190; the gates, Mao et al. 2022, arXiv:2110.07577. The
    formulas are those of the `adapters` library 1.3, whose files the tests read.
    """

    def __init__(
        self, config: PrefixConfig, shape: EncoderShape, generator: torch.Generator | None
    ) -> None:
        """Builds one layer's prefix with fresh weights.

        Args:
            config: Of the adapter it belongs to.
            shape: The sizes of the encoder.
            generator: Where its weights are drawn from; None is torch's global generator.
        """
        super().__init__()
        self.n_heads = shape.n_heads
        self.dropout = config.dropout
        if config.flat:
            self.keys = nn.Parameter(torch.empty(config.prefix_length, shape.width))
            self.values = nn.Parameter(torch.empty(config.prefix_length, shape.width))
            init.normal_(self.keys, generator=generator)
            init.normal_(self.values, generator=generator)
        else:
            self.up = DrawnLinear(config.bottleneck_size, 2 * shape.width, generator)
        self.gate = None
        if config.use_gating:
            self.gate = RowGate(shape.width, generator, 1 if config.shared_gating else 2)

    def keys_and_values(self, trunk: PrefixTrunk | None) -> tuple[Tensor, Tensor]:
        """The prefix before dropout and gates. Shape: (P, D) each."""
        if trunk is None:
            return self.keys, self.values
        keys_PD, values_PD = self.up(trunk()).chunk(2, dim=1)
        return keys_PD, values_PD

    def forward(self, trunk: PrefixTrunk | None, inputs: Tensor, packing: Packing) -> Prefixes:
        """A prefix for each row.

        Args:
            trunk: The network of all layers; None for one that is learned itself.
            inputs: What the layer reads. Shape: (N, D).
            packing: Where each row lies among these tokens.
        """
        keys_PHW, values_PHW = (
            states_PD.view(len(states_PD), self.n_heads, -1)
            for states_PD in self.keys_and_values(trunk)
        )
        is_dropping = self.training and self.dropout > 0
        if self.gate is None and not is_dropping:
            return Prefixes.shared(keys_PHW, values_PHW, packing.n_rows)
        keys_BPHW, values_BPHW = (
            functional.dropout(
                states_PHW.expand(packing.n_rows, -1, -1, -1), self.dropout, is_dropping
            )
            for states_PHW in (keys_PHW, values_PHW)
        )
        if self.gate is not None:
            gates_BG = self.gate.of_rows(inputs, packing)
            keys_BPHW = keys_BPHW * gates_BG[:, 0].view(-1, 1, 1, 1)
            values_BPHW = values_BPHW * gates_BG[:, -1].view(-1, 1, 1, 1)
        return Prefixes.of_rows(keys_BPHW, values_BPHW)


@dataclass(frozen=True, eq=False)
class PrefixTap:
    """Puts one layer's prefix in front of its keys and values; see the contract of that name.

    Attributes:
        site: The layer's prefix.
        trunk: The network of all layers, or None.
    """

    site: PrefixSite
    trunk: PrefixTrunk | None

    def __call__(self, inputs: Tensor, packing: Packing) -> Prefixes:
        """A prefix for each row. Shape: inputs (N, D)."""
        prefixes: Prefixes = self.site(self.trunk, inputs, packing)
        return prefixes
