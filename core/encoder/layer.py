"""One post-norm transformer layer and its two taps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn
from torch.nn import functional

from polyhead.contracts import activation_of
from polyhead.encoder.attention import SelfAttention

if TYPE_CHECKING:
    from polyhead.batch import Packing
    from polyhead.contracts import LayerTaps
    from polyhead.encoder.attention import Attend
    from polyhead.encoder.config import DistilBertConfig

__all__ = ["EncoderLayer"]


class EncoderLayer(nn.Module):
    """Attention and feed-forward network, each followed by a residual and a layer norm.

    Source: Vaswani et al. 2017, arXiv:1706.03762; Sanh et al. 2019, arXiv:1910.01108.
    """

    def __init__(self, config: DistilBertConfig) -> None:
        super().__init__()
        self.attention = SelfAttention(config)
        self.norm1 = nn.LayerNorm(config.dim, eps=config.layer_norm_eps)
        self.lin1 = nn.Linear(config.dim, config.hidden_dim)
        self.lin2 = nn.Linear(config.hidden_dim, config.dim)
        self.norm2 = nn.LayerNorm(config.dim, eps=config.layer_norm_eps)
        self.dropout = config.dropout
        named = config.activation
        self.activation = activation_of(named) if isinstance(named, str) else named

    def forward(self, hidden: Tensor, packing: Packing, attend: Attend, taps: LayerTaps) -> Tensor:
        """The layer's hidden states. Shape: (N, D) -> (N, D).

        Args:
            hidden: What the layer below computed.
            packing: Where each row lies.
            attend: How their attention is computed.
            taps: What adapters put in place of residual and norm.
        """
        attended = self.attention(hidden, attend)
        if taps.attention is None:
            middle: Tensor = self.norm1(attended + hidden)
        else:
            middle = taps.attention(attended, hidden, self.norm1, packing)
        fed: Tensor = self.lin2(self.activation(self.lin1(middle)))
        if self.training:
            fed = functional.dropout(fed, self.dropout)
        if taps.ffn is None:
            output: Tensor = self.norm2(fed + middle)
            return output
        return taps.ffn(fed, middle, self.norm2, packing)
