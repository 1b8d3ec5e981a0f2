"""AdapterFusion at one site of one layer.

Dimensions: N tokens of all rows, A adapters, D width of the encoder.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import torch
from torch import Tensor, nn
from torch.nn import functional, init

from polyhead.adapters.linear import BlankLinear
from polyhead.contracts import Change

if TYPE_CHECKING:
    from polyhead.adapters.fusion.config import FusionConfig
    from polyhead.batch import Packing
    from polyhead.contracts import ComposableTap

__all__ = ["FusedTap", "FusionSite"]

_HOTTEST: Final = 50.0
_COOLING: Final = _HOTTEST / 1000  # a pass, down to 1
_NEXT_TO_DIAGONAL: Final = 1e-6


class FusionSite(nn.Module):
    """An attention of each token over what several adapters make of it.

    With z what the adapters make, and x what is asked with:

        s_i = (Q x + b) . (K z_i + c);  p = softmax(dropout(s) / T);  result = V (sum of p_i z_i)

    There is no division by the square root of D. K reads the question in place of every z_i, and V
    their sum in place of each, which is the same: three matrices are multiplied for any number of
    adapters.

    Source: Pfeiffer et al. 2021, arXiv:2005.00247; details are those of the `adapters` library 1.3,
    but for the temperature T, which falls there with every call, also in use, and starts again when
    a fusion is loaded. Here it falls with passes in training alone, and their number is saved.
    """

    steps: Tensor | None

    def __init__(self, config: FusionConfig, width: int) -> None:
        """Makes it with fresh weights.

        Args:
            config: Of the fusion it belongs to.
            width: D.
        """
        super().__init__()
        self.config = config
        self.query = BlankLinear(width, width) if config.query else None
        self.key = BlankLinear(width, width) if config.key else None
        for layer in (self.query, self.key):
            if layer is not None:
                layer.draw_as_bert(None)
        self.value = nn.Parameter(torch.empty(width, width)) if config.value else None
        if self.value is not None:
            self._draw_value(self.value)
        # whole numbers: half precision cannot count that far
        steps = torch.zeros((), dtype=torch.long) if config.temperature else None
        self.register_buffer("steps", steps)

    def forward(self, query: Tensor, values: Sequence[Tensor]) -> Tensor:
        """What the adapters make together. Shape: (N, D).

        Args:
            query: x. Shape: (N, D).
            values: z of each adapter, A of them. Shape: (N, D) each.
        """
        values_AND = torch.stack(list(values))
        scores_AN = self._scores(query, values_AND)
        scores_AN = functional.dropout(scores_AN, self.config.dropout, self.training)
        if self.steps is not None:
            scores_AN = scores_AN / self._temperature(self.steps).to(scores_AN.dtype)
        weights_AN = torch.softmax(scores_AN, dim=0)
        sum_ND = (weights_AN.unsqueeze(2) * values_AND).sum(dim=0)
        return sum_ND if self.value is None else functional.linear(sum_ND, self.value)

    def distance(self) -> Tensor | None:
        """How far the values' matrix is from the identity: the sum of squares, or None. Shape: ().

        It is at least in float32.
        """
        if self.value is None:
            return None
        eye_DD = torch.eye(len(self.value), dtype=self.value.dtype, device=self.value.device)
        wide = torch.promote_types(self.value.dtype, torch.float32)
        return (self.value - eye_DD).to(wide).square().sum()

    def _scores(self, query_ND: Tensor, values_AND: Tensor) -> Tensor:
        """The score of each adapter for each token. Shape: (A, N)."""
        if self.query is not None:
            query_ND = self.query(query_ND)
        if self.key is None:
            return (values_AND * query_ND).sum(dim=2)
        scores_AN = (values_AND * (query_ND @ self.key.weight)).sum(dim=2)
        # the same for all adapters; dropout alone makes a difference of it
        return scores_AN + query_ND @ self.key.bias

    def _temperature(self, steps: Tensor) -> Tensor:
        """T of this pass, which is counted in training. Shape: (), float32."""
        temperature = (_HOTTEST - _COOLING * steps.float()).clamp(1.0, _HOTTEST)
        if self.training and torch.is_grad_enabled():
            steps += 1
        return temperature

    @torch.no_grad()
    def _draw_value(self, value: Tensor) -> None:
        if self.config.value_initialized:
            value.fill_(_NEXT_TO_DIAGONAL).fill_diagonal_(1.0)
        else:
            init.normal_(value, std=0.02)


@dataclass(frozen=True)
class FusedTap:
    """A sub-layer's tap out of several, whose results are fused.

    The last of them says what is asked with, what its residual is and how the sub-layer ends.

    Attributes:
        site: The attention.
        taps: What is fused.
    """

    site: FusionSite
    taps: tuple[ComposableTap, ...]

    def __call__(
        self,
        output: Tensor,
        residual: Tensor,
        norm: Callable[[Tensor], Tensor],
        packing: Packing,
    ) -> Tensor:
        """The hidden states that leave the sub-layer; see SublayerTap."""
        return self.close(self.change(output, residual, norm, packing).output, residual, norm)

    def change(
        self,
        output: Tensor,
        residual: Tensor,
        norm: Callable[[Tensor], Tensor],
        packing: Packing,
    ) -> Change:
        """What they make together of the sub-layer's output; see ComposableTap."""
        found = [tap.change(output, residual, norm, packing) for tap in self.taps]
        config, last = self.site.config, found[-1]
        values = [change.fused for change in found]
        skip_ND = last.skip
        if config.residual_before and skip_ND is not None:
            # keys read the sum too, as in the adapters library
            values, skip_ND = [value_ND + skip_ND for value_ND in values], None
        query_ND = output if config.query_before_ln else last.read
        return Change(query_ND, skip_ND, self.site(query_ND, values))

    def close(self, changed: Tensor, residual: Tensor, norm: Callable[[Tensor], Tensor]) -> Tensor:
        """The end of the sub-layer, as the last of them has it."""
        return self.taps[-1].close(changed, residual, norm)
