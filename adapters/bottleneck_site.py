"""One bottleneck at one site of one layer.

Dimensions: N tokens of all rows, B rows, D width of the encoder, R width of the bottleneck.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional, init

from polyhead.contracts import activation_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from polyhead.adapters.bottleneck_config import BottleneckConfig
    from polyhead.batch import Packing

__all__ = ["BottleneckSite"]


class _Projection(nn.Module):
    """A linear layer whose weights are not filled yet.

    nn.Linear draws weights as it is made, from torch's global generator, which is not ours to turn.
    """

    def __init__(self, read: int, written: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(written, read))
        self.bias = nn.Parameter(torch.empty(written))

    def forward(self, values: Tensor) -> Tensor:
        return functional.linear(values, self.weight, self.bias)


class BottleneckSite(nn.Module):
    """A tap that adds a bottleneck to a sub-layer of the encoder.

    With f what the sub-layer computed, h what it read, and A the bottleneck with its scaling,
    dropout and gate:

        sequential    y = norm(f + A(f) + h)                     (double_seq_bn)
        norm first    u = norm(f + h);  y = norm(f + A(u) + h)   (seq_bn)
        parallel      y = norm(f + A(h) + h)                     (par_bn)

    The other fields of the configuration vary what is read, what is added and which norms apply.

    Source: the formulas are those of the `adapters` library 1.3, whose files the tests read.
    """

    def __init__(
        self, config: BottleneckConfig, width: int, inner: int, generator: torch.Generator | None
    ) -> None:
        """Builds one bottleneck with fresh weights.

        Args:
            config: Of the adapter it belongs to.
            width: D.
            inner: R.
            generator: Where its weights are drawn from; None is torch's global generator.
        """
        super().__init__()
        self.config = config
        self.activation = activation_of(config.non_linearity)
        self.down = _Projection(width, inner)
        self.up = _Projection(inner, width)
        self.norm_before = nn.LayerNorm(width) if config.ln_before else None
        self.norm_after = nn.LayerNorm(width) if config.ln_after else None
        self.gate = _Projection(width, 1) if config.use_gating else None
        if isinstance(config.scaling, str):
            shape = 1 if config.scaling == "learned" else width
            self.scale: nn.Parameter | float = nn.Parameter(torch.ones(shape))
        else:
            self.scale = config.scaling
        self._draw_weights(generator)

    def forward(
        self,
        output: Tensor,
        residual: Tensor,
        norm: Callable[[Tensor], Tensor],
        packing: Packing,
    ) -> Tensor:
        """The hidden states that leave the sub-layer; see SublayerTap."""
        config = self.config
        total_ND = output + residual
        if config.is_parallel:
            read_ND, skip_ND = residual, output
        else:
            read_ND = norm(total_ND) if config.original_ln_before else output
            skip_ND = self._skip(output, total_ND, read_ND)
        inner_NR, gate_N1 = self._down(read_ND), self._gate(read_ND, packing)
        if self.norm_after is None:
            changed_ND = self._add(
                self._base(output, residual, total_ND, skip_ND), inner_NR, gate_N1
            )
        elif config.adapter_residual_before_ln:
            changed_ND = self.norm_after(self._add(skip_ND, inner_NR, gate_N1))
            changed_ND = changed_ND + residual if config.original_ln_after else changed_ND
        else:
            base_ND = self._base(output, residual, total_ND, skip_ND)
            changed_ND = self.norm_after(self._up(inner_NR, gate_N1)) + base_ND
        return norm(changed_ND) if config.original_ln_after else changed_ND

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

    def _gate(self, read_ND: Tensor, packing: Packing) -> Tensor | None:
        """How far each row's gate is open, for its tokens. Shape: (N, 1).

        A row's gate is the mean over its own tokens, never over padding or other rows.
        """
        if self.gate is None:
            return None
        gate_N1 = torch.sigmoid(self.gate(read_ND))
        return packing.mean(gate_N1).index_select(0, packing.row_of_token.to(read_ND.device))

    def _up(self, inner_NR: Tensor, gate_N1: Tensor | None) -> Tensor:
        """The bottleneck's result, scaled, dropped out and gated. Shape: (N, R) -> (N, D)."""
        weight_DR, bias_D, factor = self._scaled_up()
        up_ND = functional.linear(inner_NR, weight_DR, bias_D)
        up_ND = up_ND if factor == 1.0 else up_ND * factor
        up_ND = functional.dropout(up_ND, self.config.dropout, self.training)
        return up_ND if gate_N1 is None else up_ND * gate_N1

    def _add(self, base_ND: Tensor, inner_NR: Tensor, gate_N1: Tensor | None) -> Tensor:
        """The bottleneck's result on top of `base_ND`. Shape: (N, D)."""
        if gate_N1 is not None or (self.training and self.config.dropout > 0):
            return base_ND + self._up(inner_NR, gate_N1)
        weight_DR, bias_D, factor = self._scaled_up()
        # a product that accumulates onto the base takes a quarter less time than product and sum
        sum_ND = torch.addmm(base_ND, inner_NR, weight_DR.t(), alpha=factor)
        return sum_ND.add_(bias_D, alpha=factor)

    def _scaled_up(self) -> tuple[Tensor, Tensor, float]:
        """Weight and bias of the projection up, and the factor that is still to be applied.

        A learned scaling multiplies the weights: they are fewer numbers than the tokens have.
        """
        if isinstance(self.scale, Tensor):
            return self.up.weight * self.scale.unsqueeze(1), self.up.bias * self.scale, 1.0
        return self.up.weight, self.up.bias, self.scale

    @torch.no_grad()
    def _draw_weights(self, generator: torch.Generator | None) -> None:
        """Fills the projections and the gate as `init_weights` says; norms start as identity."""
        match self.config.init_weights:
            case "bert":
                init.normal_(self.down.weight, std=0.02, generator=generator)
                init.normal_(self.up.weight, std=0.02, generator=generator)
            case "mam_adapter":
                init.kaiming_uniform_(self.down.weight, a=math.sqrt(5), generator=generator)
                init.zeros_(self.up.weight)
            case "houlsby":
                for weight in (self.down.weight, self.up.weight):
                    init.trunc_normal_(weight, std=0.01, a=-0.02, b=0.02, generator=generator)
        init.zeros_(self.down.bias)
        init.zeros_(self.up.bias)
        if self.gate is not None:
            init.normal_(self.gate.weight, std=0.02, generator=generator)
            init.zeros_(self.gate.bias)
