"""Invertible adapters: they map the embeddings, and what is compared with embeddings back.

Dimensions: N tokens, D width of the encoder, A and B the halves of D (B has the odd one).
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from polyhead.adapters.linear import BlankLinear
from polyhead.contracts import EmbeddingsTap, activation_of

if TYPE_CHECKING:
    from polyhead.adapters.bottleneck.config import BottleneckConfig
    from polyhead.batch import Packing

__all__ = ["GlowCoupling", "NiceCoupling"]

_CLAMP = 5.0
_TOWARDS_ONE = 0.636  # about 2 / pi: atan stays below pi / 2


class _Subnet(nn.Module):
    """Two linear layers with an activation between them."""

    def __init__(
        self, config: BottleneckConfig, read: int, written: int, generator: torch.Generator | None
    ) -> None:
        super().__init__()
        inner = config.inverse_width(read)
        self.activation = activation_of(config.non_linearity)
        self.down = BlankLinear(read, inner)
        self.up = BlankLinear(inner, written)
        for layer in (self.down, self.up):
            layer.draw_as_bert(generator)

    def forward(self, values: Tensor) -> Tensor:
        result: Tensor = self.up(self.activation(self.down(values)))
        return result


class _Coupling(nn.Module, EmbeddingsTap):
    """Changes one half of each embedding by what the other half says, and then the other way round.

    Either step leaves what it looks at as it is, so it can be undone exactly.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.sizes = [width // 2, width - width // 2]

    def enter(self, embeddings: Tensor, packing: Packing) -> tuple[Tensor, Packing]:
        """The mapped embeddings, and the same packing. Shape: (N, D) -> (N, D)."""
        return torch.cat(self._map(*torch.split(embeddings, self.sizes, dim=1)), dim=1), packing

    def inverted(self, states: Tensor, packing: Packing) -> Tensor:
        """What `enter` makes `states` of. Shape: (N, D) -> (N, D)."""
        del packing
        return torch.cat(self._unmap(*torch.split(states, self.sizes, dim=1)), dim=1)

    @abstractmethod
    def _map(self, left_NA: Tensor, right_NB: Tensor) -> tuple[Tensor, Tensor]:
        """Both halves mapped."""

    @abstractmethod
    def _unmap(self, left_NA: Tensor, right_NB: Tensor) -> tuple[Tensor, Tensor]:
        """What `_map` makes these halves of."""


class NiceCoupling(_Coupling):
    """Adds to each half what a small network makes of the other.

        y1 = x1 + f(x2);  y2 = x2 + g(y1)

    Source: Dinh et al. 2014, arXiv:1410.8516; in language models Pfeiffer et al. 2020,
    arXiv:2005.00052. The networks are those of the `adapters` library 1.3.
    """

    def __init__(
        self, config: BottleneckConfig, width: int, generator: torch.Generator | None
    ) -> None:
        """Makes it with fresh weights.

        Args:
            config: Of the adapter it belongs to.
            width: D.
            generator: Where its weights are drawn from; None is torch's global generator.
        """
        super().__init__(width)
        left, right = self.sizes
        self.f = _Subnet(config, right, left, generator)
        self.g = _Subnet(config, left, right, generator)

    def _map(self, left_NA: Tensor, right_NB: Tensor) -> tuple[Tensor, Tensor]:
        left_NA = left_NA + self.f(right_NB)
        return left_NA, right_NB + self.g(left_NA)

    def _unmap(self, left_NA: Tensor, right_NB: Tensor) -> tuple[Tensor, Tensor]:
        right_NB = right_NB - self.g(left_NA)
        return left_NA - self.f(right_NB), right_NB


class GlowCoupling(_Coupling):
    """Scales and shifts each half as a small network makes of the other.

        s2, t2 = f(x2);  y1 = e(s2) * x1 + t2
        s1, t1 = g(y1);  y2 = e(s1) * x2 + t1

    with `e(s) = exp(5 * 0.636 * atan(s / 5))`, which stays between exp(-5) and exp(5).

    Source: Kingma and Dhariwal 2018, arXiv:1807.03039, with the soft limit that FrEIA gives it. The
    `adapters` library 1.3 has the class and cannot run it: its forward leaves f out, splits along
    the tokens and returns a list. This is the map whose inverse is written there.
    """

    def __init__(
        self, config: BottleneckConfig, width: int, generator: torch.Generator | None
    ) -> None:
        """Makes it with fresh weights; see NiceCoupling."""
        super().__init__(width)
        left, right = self.sizes
        self.f = _Subnet(config, right, 2 * left, generator)
        self.g = _Subnet(config, left, 2 * right, generator)

    def _map(self, left_NA: Tensor, right_NB: Tensor) -> tuple[Tensor, Tensor]:
        scale_NA, shift_NA = self._affine(self.f, right_NB)
        left_NA = scale_NA * left_NA + shift_NA
        scale_NB, shift_NB = self._affine(self.g, left_NA)
        return left_NA, scale_NB * right_NB + shift_NB

    def _unmap(self, left_NA: Tensor, right_NB: Tensor) -> tuple[Tensor, Tensor]:
        scale_NB, shift_NB = self._affine(self.g, left_NA)
        right_NB = (right_NB - shift_NB) / scale_NB
        scale_NA, shift_NA = self._affine(self.f, right_NB)
        return (left_NA - shift_NA) / scale_NA, right_NB

    def _affine(self, network: _Subnet, values: Tensor) -> tuple[Tensor, Tensor]:
        """What the half that `values` are not is multiplied with, and what is added to it."""
        raw, shift = network(values).chunk(2, dim=1)
        return torch.exp(_CLAMP * _TOWARDS_ONE * torch.atan(raw / _CLAMP)), shift
