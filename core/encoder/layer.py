"""One post-norm transformer layer, and the places where adapters tap it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from torch import Tensor, nn
from torch.nn import functional

from polyhead.contracts import LayerStep, Projection, activation_of
from polyhead.encoder.attention import SelfAttention
from polyhead.encoder.frozen_linear import EncoderLinear

if TYPE_CHECKING:
    from polyhead.batch import Packing
    from polyhead.contracts import LayerTaps
    from polyhead.encoder.config import DistilBertConfig
    from polyhead.encoder.passing_rows import PassingRows

__all__ = ["EncoderLayer"]


class EncoderLayer(nn.Module):
    """Attention and feed-forward network, each followed by a residual and a layer norm.

    Source: Vaswani et al. 2017, arXiv:1706.03762; Sanh et al. 2019, arXiv:1910.01108.
    """

    def __init__(self, config: DistilBertConfig) -> None:
        super().__init__()
        self.attention = SelfAttention(config)
        self.norm1 = nn.LayerNorm(config.dim, eps=config.layer_norm_eps)
        self.lin1 = EncoderLinear(config.dim, config.hidden_dim)
        self.lin2 = EncoderLinear(config.hidden_dim, config.dim)
        self.norm2 = nn.LayerNorm(config.dim, eps=config.layer_norm_eps)
        self.dropout = config.dropout
        named = config.activation
        self.has_gelu = named == "gelu"
        self.activation = activation_of(named) if isinstance(named, str) else named

    def forward(self, hidden: Tensor, rows: PassingRows, taps: LayerTaps) -> Tensor:
        """The layer's hidden states. Shape: (N, D) -> (M, D), M other than N where rows part.

        Args:
            hidden: What the layer below computed.
            rows: Where each row lies, how their attention is computed, and where they part.
            taps: What adapters put in place of its steps, or behind them.
        """
        (hidden,) = rows.reach(LayerStep.START, hidden)
        attended = self.attention(hidden, rows.attend, taps, rows.packing)
        attended, hidden = rows.reach(LayerStep.ATTENTION, attended, hidden)
        if taps.attention is None:
            middle: Tensor = self.norm1(_sum(attended, hidden, is_own=taps.out is None))
        else:
            middle = taps.attention(attended, hidden, self.norm1, rows.packing)
        (middle,) = rows.reach(LayerStep.FEED_FORWARD, middle)
        fed = self._fed(middle, taps, rows.packing)
        if self.training:
            fed = functional.dropout(fed, self.dropout)
        fed, middle = rows.reach(LayerStep.FFN, fed, middle)
        if taps.ffn is None:
            output: Tensor = self.norm2(_sum(fed, middle, is_own=taps.lin2 is None))
        else:
            output = taps.ffn(fed, middle, self.norm2, rows.packing)
        (output,) = rows.reach(LayerStep.OUTPUT, output)
        return output if taps.output is None else taps.output(output, rows.packing)

    def replace_linears(self, make: Callable[[nn.Linear], nn.Module]) -> None:
        """Puts what `make` makes of each linear layer in its place."""
        for owner in (self, self.attention):
            for name, child in owner.named_children():
                if isinstance(child, nn.Linear):
                    setattr(owner, name, make(child))

    def projection(self, site: str) -> Projection:
        """The frozen linear layer of a site: "q", "k", "v", "out", "lin1" or "lin2"."""
        if site in {"lin1", "lin2"}:
            linear = self.lin1 if site == "lin1" else self.lin2
            return Projection(lambda: linear.weight, linear.bias)
        return self.attention.projection(site)

    def _fed(self, middle: Tensor, taps: LayerTaps, packing: Packing) -> Tensor:
        """What the feed-forward network computes, f. Shape: (N, D) -> (N, D)."""
        if taps.lin1 is None and self.has_gelu:
            inner: Tensor = self.lin1(middle, gelu=True)
        else:
            raised: Tensor = self.lin1(middle)
            if taps.lin1 is not None:
                raised = taps.lin1(middle, raised, self.projection("lin1"), packing)
            inner = self.activation(raised)
        if taps.inner is not None:
            inner = taps.inner(inner, packing)
        fed: Tensor = self.lin2(inner)
        if taps.lin2 is not None:
            fed = taps.lin2(inner, fed, self.projection("lin2"), packing)
        return fed


def _sum(own: Tensor, other: Tensor, *, is_own: bool) -> Tensor:
    """`own + other`, written into `own` where nothing else reads it. Shape: (N, D) each."""
    if not is_own or own.requires_grad or other.requires_grad:
        return own + other
    return own.add_(other)
