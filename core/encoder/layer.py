"""One post-norm transformer layer, and the places where adapters tap it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Protocol

from torch import Tensor, nn
from torch.nn import functional

from polyhead.contracts import LayerStep, Projection, activation_of
from polyhead.encoder.attention import SelfAttention
from polyhead.encoder.frozen_linear import EncoderLinear

if TYPE_CHECKING:
    from polyhead.batch import Packing
    from polyhead.contracts import LayerTaps, SublayerTap
    from polyhead.encoder.attention import Attend
    from polyhead.encoder.config import DistilBertConfig
    from polyhead.encoder.passing_rows import PassingRows

__all__ = ["EncoderLayer", "Rows"]

_STEPS: Final = tuple(LayerStep)


class Rows(Protocol):
    """The rows that a step computes."""

    @property
    def packing(self) -> Packing:
        """Where each lies."""
        ...

    @property
    def attend(self) -> Attend:
        """How their attention is computed."""
        ...

    def narrow(self, context: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """Leaves out the tokens that nothing reads behind the attention. Shape: (N, D) -> (M, D).

        Args:
            context: What tokens gathered from their rows.
            hidden: What the layer read of them.
        """
        ...


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
        """The layer's hidden states. Shape: (N, D) -> (M, D).

        M is other than N where rows part, or tokens are left out that nothing reads.

        Args:
            hidden: What the layer below computed.
            rows: Where each row lies, how their attention is computed, and where they part.
            taps: What adapters put in place of its steps, or behind them.
        """
        values: tuple[Tensor, ...] = (hidden,)
        for step in _STEPS:
            values = self.step(step, rows.reach(step, *values), rows, taps)
        return values[0]

    def step(
        self, step: LayerStep, values: tuple[Tensor, ...], rows: Rows, taps: LayerTaps
    ) -> tuple[Tensor, ...]:
        """What a step makes of what the one before it made, each (N, D).

        START           x -> a, x       attention; tokens may be left out
        ATTENTION       a, x -> h       residual and norm
        FEED_FORWARD    h -> f, h       feed-forward network
        FFN             f, h -> y       residual and norm
        OUTPUT          y -> y          what comes behind the layer

        Args:
            step: Which.
            values: What the one before it made; what the layer reads for the first.
            rows: The rows that are computed now.
            taps: What adapters put in place of steps, or behind them.
        """
        first, packing = values[0], rows.packing
        match step:
            case LayerStep.START:
                context, read = self.attention(first, rows, taps)
                return context, read
            case LayerStep.ATTENTION:
                own = taps.out is None
                return (_closed(values, taps.attention, self.norm1, packing, is_own=own),)
            case LayerStep.FEED_FORWARD:
                return self._fed(first, taps, packing), first
            case LayerStep.FFN:
                own = taps.lin2 is None
                return (_closed(values, taps.ffn, self.norm2, packing, is_own=own),)
        return (first if taps.output is None else taps.output(first, packing),)

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
        return functional.dropout(fed, self.dropout) if self.training else fed


def _closed(
    values: tuple[Tensor, ...],
    tap: SublayerTap | None,
    norm: nn.Module,
    packing: Packing,
    *,
    is_own: bool,
) -> Tensor:
    """The end of a sub-layer. Shape: (N, D) -> (N, D).

    Args:
        values: What the sub-layer computed, and what it read.
        tap: What stands in the place of the encoder's own end, or None.
        norm: The encoder's, of this place.
        packing: Where each row lies.
        is_own: Whether nothing else reads what the sub-layer computed.
    """
    output, residual = values
    if tap is not None:
        return tap(output, residual, norm, packing)
    closed: Tensor = norm(_sum(output, residual, is_own=is_own))
    return closed


def _sum(own: Tensor, other: Tensor, *, is_own: bool) -> Tensor:
    """`own + other`, written into `own` where nothing else reads it. Shape: (N, D) each."""
    if not is_own or own.requires_grad or other.requires_grad:
        return own + other
    return own.add_(other)
