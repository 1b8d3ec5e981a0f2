"""One bottleneck at one site of one layer.

Dimensions: N tokens of all rows, B rows, D width of the encoder, R width of the bottleneck.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional, init

from polyhead.adapters.bottleneck.hypercomplex import HypercomplexLinear
from polyhead.adapters.bottleneck.joined import Bottleneck, add_bottlenecks
from polyhead.adapters.linear import BlankLinear
from polyhead.adapters.row_gate import RowGate
from polyhead.contracts import Change, activation_of

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    from polyhead.adapters.bottleneck.config import BottleneckConfig
    from polyhead.adapters.bottleneck.hypercomplex import HypercomplexShared
    from polyhead.batch import Packing

__all__ = ["BottleneckSite"]


class BottleneckSite(nn.Module):
    """A tap that adds a bottleneck to a sub-layer of the encoder.

    With f what the sub-layer computed, h what it read, and A the bottleneck with its scaling,
    stochastic depth, dropout and gate:

        sequential    y = norm(f + A(f) + h)                     (double_seq_bn)
        norm first    u = norm(f + h);  y = norm(f + A(u) + h)   (seq_bn)
        parallel      y = norm(f + A(h) + h)                     (par_bn)

    The other fields of the configuration vary what is read, what is added and which norms apply.

    Source: the formulas are those of the `adapters` library 1.3, whose files the tests read.
    """

    def __init__(
        self,
        config: BottleneckConfig,
        width: int,
        inner: int,
        generator: torch.Generator | None,
        shared: HypercomplexShared | None = None,
    ) -> None:
        """Builds one bottleneck with fresh weights.

        Args:
            config: Of the adapter it belongs to.
            width: D.
            inner: R.
            generator: Where its weights are drawn from; None is torch's global generator.
            shared: What the adapter's hypercomplex layers share; None where it has no such layers.
        """
        super().__init__()
        self.config = config
        self.drops_residual = not config.original_ln_after
        self.activation = activation_of(config.non_linearity)
        self.down: BlankLinear | HypercomplexLinear
        self.up: BlankLinear | HypercomplexLinear
        if shared is None:
            self.down, self.up = BlankLinear(width, inner), BlankLinear(inner, width)
        else:
            self.down = HypercomplexLinear(
                config, width, inner, generator, rule=shared.rule, blocks=shared.down
            )
            self.up = HypercomplexLinear(
                config, inner, width, generator, rule=shared.rule, blocks=shared.up
            )
        self.norm_before = nn.LayerNorm(width) if config.ln_before else None
        self.norm_after = nn.LayerNorm(width) if config.ln_after else None
        if isinstance(config.scaling, str):
            shape = 1 if config.scaling == "learned" else width
            self.scale: nn.Parameter | float = nn.Parameter(torch.ones(shape))
        else:
            self.scale = config.scaling
        self._draw_weights(generator)
        self.gate = RowGate(width, generator) if config.use_gating else None
        self._join_key = _join_key(config, inner)

    def forward(
        self,
        output: Tensor,
        residual: Tensor,
        norm: Callable[[Tensor], Tensor],
        packing: Packing,
    ) -> Tensor:
        """The hidden states that leave the sub-layer; see SublayerTap."""
        config = self.config
        total_ND, read_ND, skip_ND = self._inputs(output, residual, norm)
        inner_NR, share_N1 = self._down(read_ND), self._share(read_ND, packing)
        if self.norm_after is None:
            changed_ND = self._add(
                self._base(output, residual, total_ND, skip_ND), inner_NR, share_N1
            )
        elif config.adapter_residual_before_ln:
            changed_ND = self.norm_after(self._add(skip_ND, inner_NR, share_N1))
            changed_ND = changed_ND + residual if config.original_ln_after else changed_ND
        else:
            base_ND = self._base(output, residual, total_ND, skip_ND)
            changed_ND = self.norm_after(self._part(self._up(inner_NR), share_N1)) + base_ND
        return norm(changed_ND) if config.original_ln_after else changed_ND

    def join_key(self) -> Hashable | None:
        """Equal for bottlenecks that can be run together; see JoinableTap."""
        is_random = self.training and (self.config.dropout > 0 or self.config.stochastic_depth > 0)
        return None if is_random else self._join_key

    def joined(
        self,
        taps: Sequence[BottleneckSite],
        parts: Sequence[slice],
        output: Tensor,
        residual: Tensor,
        norm: Callable[[Tensor], Tensor],
    ) -> Tensor:
        """What several bottlenecks compute, each of its own tokens; see JoinableTap."""
        total_ND, read_ND, skip_ND = self._inputs(output, residual, norm)
        base_ND = self._base(output, residual, total_ND, skip_ND)
        if any(base_ND is given for given in (output, residual, read_ND)):
            base_ND = base_ND.clone()
        pairs = [
            (part, Bottleneck(tap.down, tap.up)) for part, tap in zip(parts, taps, strict=True)
        ]
        factor: float = self.config.scaling  # type: ignore[assignment]  # others have no join_key
        add_bottlenecks(base_ND, read_ND, pairs, self.activation, factor)
        return norm(base_ND) if self.config.original_ln_after else base_ND

    def change(
        self,
        output: Tensor,
        residual: Tensor,
        norm: Callable[[Tensor], Tensor],
        packing: Packing,
    ) -> Change:
        """What it makes of the sub-layer's output; see ComposableTap."""
        _, read_ND, skip_ND = self._inputs(output, residual, norm)
        up_ND = self._up(self._down(read_ND))
        added_ND = self._part(up_ND, self._share(read_ND, packing))
        if self.norm_after is not None and self.config.adapter_residual_before_ln:
            added_ND = self.norm_after(skip_ND + added_ND) - skip_ND
        elif self.norm_after is not None:
            added_ND = self.norm_after(added_ND)
        return Change(read_ND, skip_ND, added_ND, None if added_ND is up_ND else up_ND)

    def close(self, changed: Tensor, residual: Tensor, norm: Callable[[Tensor], Tensor]) -> Tensor:
        """`norm(changed + residual)`, or `changed` without original_ln_after; see ComposableTap."""
        return norm(changed + residual) if self.config.original_ln_after else changed

    def _inputs(
        self, output: Tensor, residual: Tensor, norm: Callable[[Tensor], Tensor]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The sum f + h, what the bottleneck reads, and its own residual. Shape: (N, D) each."""
        total_ND = output + residual
        if self.config.is_parallel:
            return total_ND, residual, output
        read_ND = norm(total_ND) if self.config.original_ln_before else output
        return total_ND, read_ND, self._skip(output, total_ND, read_ND)

    def _skip(self, output: Tensor, total_ND: Tensor, read_ND: Tensor) -> Tensor:
        """The bottleneck's own residual."""
        match self.config.residual_before_ln:
            case "post_add":
                return total_ND
            case True:
                return output
            case _:
                return read_ND

    def _base(self, output: Tensor, residual: Tensor, total_ND: Tensor, skip_ND: Tensor) -> Tensor:
        """What the bottleneck's result is added to: its own residual and, mostly, the encoder's."""
        if not self.config.original_ln_after:
            return skip_ND
        # their sum is there already where the bottleneck's residual is f
        return total_ND if skip_ND is output else skip_ND + residual

    def _down(self, read_ND: Tensor) -> Tensor:
        """What the bottleneck holds of each token. Shape: (N, D) -> (N, R)."""
        if self.norm_before is not None:
            read_ND = self.norm_before(read_ND)
        return self.activation(self.down(read_ND))

    def _share(self, read_ND: Tensor, packing: Packing) -> Tensor | None:
        """How much of its result each row gets, for its tokens; None for all. Shape: (N, 1).

        A row's gate is the mean over its own tokens, never over padding or other rows.
        """
        share_B1 = None
        if self.gate is not None:
            share_B1 = self.gate.of_rows(read_ND, packing)
        if self.training and self.config.stochastic_depth > 0:
            kept = 1 - self.config.stochastic_depth
            kept_B1 = read_ND.new_empty(packing.n_rows, 1).bernoulli_(kept) / kept
            share_B1 = kept_B1 if share_B1 is None else share_B1 * kept_B1
        if share_B1 is None:
            return None
        return share_B1.index_select(0, packing.on(read_ND.device).row_of_token)

    def _up(self, inner_NR: Tensor) -> Tensor:
        """The bottleneck's result, scaled. Shape: (N, R) -> (N, D)."""
        inner_NQ, weight_QD, bias_D, factor = self._scaled_up(inner_NR)
        up_ND = functional.linear(inner_NQ, weight_QD.t(), bias_D)
        return up_ND if factor == 1.0 else up_ND * factor

    def _part(self, up_ND: Tensor, share_N1: Tensor | None) -> Tensor:
        """What of the bottleneck's result is let through."""
        if self.training and self.config.dropout > 0:
            up_ND = functional.dropout(up_ND, self.config.dropout)
        return up_ND if share_N1 is None else up_ND * share_N1

    def _add(self, base_ND: Tensor, inner_NR: Tensor, share_N1: Tensor | None) -> Tensor:
        """What is let through of the bottleneck's result on top of `base_ND`. Shape: (N, D)."""
        if share_N1 is not None or (self.training and self.config.dropout > 0):
            return base_ND + self._part(self._up(inner_NR), share_N1)
        inner_NQ, weight_QD, bias_D, factor = self._scaled_up(inner_NR)
        # a product that accumulates onto the base takes a quarter less time than product and sum
        sum_ND = torch.addmm(base_ND, inner_NQ, weight_QD, alpha=factor)
        return sum_ND if bias_D is None else sum_ND.add_(bias_D, alpha=factor)

    def _scaled_up(self, inner_NR: Tensor) -> tuple[Tensor, Tensor, Tensor | None, float]:
        """Two factors of the projection up, its bias, and the factor that is still to be applied.

        A learned scaling multiplies the weights: they are fewer numbers than the tokens have.
        """
        inner_NQ, weight_QD = self.up.factors(inner_NR)
        bias_D = self.up.bias
        if not isinstance(self.scale, Tensor):
            return inner_NQ, weight_QD, bias_D, self.scale
        return (
            inner_NQ,
            weight_QD * self.scale,
            None if bias_D is None else bias_D * self.scale,
            1.0,
        )

    def _draw_weights(self, generator: torch.Generator | None) -> None:
        """Fills the projections as `init_weights` says; norms start as identity."""
        if isinstance(self.down, BlankLinear) and isinstance(self.up, BlankLinear):
            match self.config.init_weights:
                case "bert":
                    self.down.draw_as_bert(generator)
                    self.up.draw_as_bert(generator)
                case "mam_adapter":
                    init.kaiming_uniform_(self.down.weight, a=math.sqrt(5), generator=generator)
                    init.zeros_(self.up.weight)
                case "houlsby":
                    for weight in (self.down.weight, self.up.weight):
                        init.trunc_normal_(weight, std=0.01, a=-0.02, b=0.02, generator=generator)
            init.zeros_(self.down.bias)
            init.zeros_(self.up.bias)


def _join_key(config: BottleneckConfig, inner: int) -> Hashable | None:
    """What bottlenecks have in common that can be run together; None for those that cannot."""
    has_own_steps = config.use_gating or config.ln_before or config.ln_after
    if has_own_steps or isinstance(config.scaling, str):
        return None
    return (
        *(BottleneckSite, inner, config.non_linearity, float(config.scaling)),
        *(config.is_parallel, config.original_ln_before, config.original_ln_after),
        config.residual_before_ln,
        *(config.phm_layer, config.phm_bias),
    )
