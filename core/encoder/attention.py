"""Self-attention over packed rows.

What a token gathers from its row is computed by one of three, which give the same answers:
`DenseAttention` here, `EagerAttention` where the weights are asked for, `VarlenAttention` on a GPU.

Dimensions: B rows of one length, H heads, T tokens of a row, W width of a head, D = H * W, N
tokens.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from torch import Tensor, nn
from torch.nn import functional

if TYPE_CHECKING:
    from polyhead.encoder.config import DistilBertConfig
    from polyhead.encoder.length_groups import LengthGroups

__all__ = ["Attend", "DenseAttention", "SelfAttention"]


class Attend(Protocol):
    """What each token gathers from its own row, for the rows of one batch."""

    def __call__(self, qkv: Tensor, dropout: float) -> Tensor:
        """The gathered values.

        Args:
            qkv: Queries, keys and values. Shape: (N, 3, H, W).
            dropout: The share of attention weights to drop.

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
        self.qkv = nn.Linear(config.dim, 3 * config.dim)
        self.out = nn.Linear(config.dim, config.dim)

    def forward(self, hidden: Tensor, attend: Attend) -> Tensor:
        """What every token gathers from its own row. Shape: (N, D) -> (N, D)."""
        qkv_N3HW = self.qkv(hidden).unflatten(1, (3, self.n_heads, -1))
        context_ND = attend(qkv_N3HW, self.dropout if self.training else 0.0)
        output: Tensor = self.out(context_ND)
        return output


@dataclass(frozen=True)
class DenseAttention:
    """Torch's `scaled_dot_product_attention`.

    Rows of equal length form one dense block, so that no score of a padding token is ever computed.
    """

    groups: LengthGroups

    def __call__(self, qkv: Tensor, dropout: float) -> Tensor:
        """See `Attend`."""
        return self.groups.joined(
            [_attended(block, dropout) for block in self.groups.blocks(qkv)]
            or [qkv[:, 0].flatten(1)]
        )


def _attended(qkv_BT3HW: Tensor, dropout: float) -> Tensor:
    # unbind, not indexing: its backward is one stack and not three full tensors of zeros
    query, key, value = qkv_BT3HW.unbind(2)
    context_BHTW = functional.scaled_dot_product_attention(
        query.transpose(1, 2), key.transpose(1, 2), value.transpose(1, 2), dropout_p=dropout
    )
    return context_BHTW.transpose(1, 2).flatten(2).flatten(0, 1)
