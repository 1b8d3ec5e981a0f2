"""Self-attention over packed rows.

What a token gathers from its row is computed by one of three, which give the same answers:
`DenseAttention` here, `EagerAttention` where the weights are asked for, `VarlenAttention` on a GPU.

Dimensions: B rows of one length, H heads, T tokens of a row, W width of a head, D = H * W, N
tokens.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from polyhead.contracts import Projection
from polyhead.encoder.attention_blocks import AttentionBlock, attention_blocks
from polyhead.encoder.frozen_linear import EncoderLinear

if TYPE_CHECKING:
    from polyhead.batch import Packing
    from polyhead.contracts import LayerTaps, Prefixes
    from polyhead.encoder.config import DistilBertConfig
    from polyhead.encoder.layer import Rows
    from polyhead.encoder.length_groups import LengthGroups

__all__ = ["Attend", "DenseAttention", "SelfAttention"]

_QKV: Final = ("q", "k", "v")


class Attend(Protocol):
    """What each token gathers from its own row, for the rows of one batch."""

    def __call__(self, qkv: Tensor, dropout: float, prefixes: Prefixes | None = None) -> Tensor:
        """The gathered values.

        Args:
            qkv: Queries, keys and values. Shape: (N, 3, H, W).
            dropout: The share of attention weights to drop.
            prefixes: Keys and values in front of each row's own, or None.

        Returns:
            Shape: (N, D).
        """
        ...


class SelfAttention(nn.Module):
    """Multi-head self-attention with queries, keys and values from one matrix."""

    def __init__(self, config: DistilBertConfig) -> None:
        super().__init__()
        self.n_heads = config.n_heads
        self.dropout = config.attention_dropout
        self.qkv = EncoderLinear(config.dim, 3 * config.dim)
        self.out = EncoderLinear(config.dim, config.dim)

    def forward(self, hidden: Tensor, rows: Rows, taps: LayerTaps) -> tuple[Tensor, Tensor]:
        """What tokens gather from their own rows, and what the layer read of them.

        Args:
            hidden: What the layer reads. Shape: (N, D).
            rows: Where each row lies, how the gathering is computed, and what is left out then.
            taps: What adapters put behind the projections and in front of the keys and values.

        Returns:
            Shape: (M, D) each, M other than N where tokens are left out that nothing reads.
        """
        packing = rows.packing
        qkv_N3D = self._tapped(hidden, self.qkv(hidden), taps, packing)
        qkv_N3HW = qkv_N3D.view(len(hidden), 3, self.n_heads, hidden.shape[1] // self.n_heads)
        dropout = self.dropout if self.training else 0.0
        prefixes = None if taps.prefix is None else taps.prefix(hidden, packing)
        context_MD, read_MD = rows.narrow(rows.attend(qkv_N3HW, dropout, prefixes), hidden)
        output: Tensor = self.out(context_MD)
        if taps.out is not None:
            output = taps.out(context_MD, output, self.projection("out"), rows.packing)
        return output, read_MD

    def projection(self, site: str) -> Projection:
        """The frozen projection of a site: "q", "k", "v" or "out"."""
        if site == "out":
            return Projection(lambda: self.out.weight, self.out.bias)
        part = _QKV.index(site)
        return Projection(lambda: self.qkv.weight.chunk(3)[part], self.qkv.bias.chunk(3)[part])

    def _tapped(self, hidden: Tensor, qkv_N3D: Tensor, taps: LayerTaps, packing: Packing) -> Tensor:
        """Queries, keys and values as adapters change them. Shape: (N, 3 * D)."""
        found = (taps.q, taps.k, taps.v)
        if found == (None, None, None):
            return qkv_N3D
        old = qkv_N3D.chunk(3, dim=1)
        new = [
            part if tap is None else tap(hidden, part, self.projection(site), packing)
            for site, tap, part in zip(_QKV, found, old, strict=True)
        ]
        if torch.is_grad_enabled():
            return torch.cat(new, dim=1)
        for part, changed in zip(old, new, strict=True):
            if changed is not part:
                part.copy_(changed)
        return qkv_N3D


@dataclass(frozen=True)
class DenseAttention:
    """Torch's `scaled_dot_product_attention`.

    Rows of equal length form one dense block, so that no score of a padding token is ever computed.
    """

    groups: LengthGroups

    def __call__(self, qkv: Tensor, dropout: float, prefixes: Prefixes | None = None) -> Tensor:
        """See `Attend`."""
        groups, blocks = attention_blocks(self.groups, qkv, prefixes)
        contexts = [_attended(block, dropout) for block in blocks]
        return groups.joined(contexts or [qkv[:, 0].flatten(1)])


def _attended(block: AttentionBlock, dropout: float) -> Tensor:
    context_BHTW = functional.scaled_dot_product_attention(*block, dropout_p=dropout)
    return context_BHTW.transpose(1, 2).flatten(2).flatten(0, 1)
