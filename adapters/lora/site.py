"""One change of low rank, of one linear layer of the encoder.

Dimensions: N tokens of all rows, I and O numbers that the linear layer reads and writes, R rank.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional, init

from polyhead.adapters.row_gate import RowGate
from polyhead.contracts import Projection

if TYPE_CHECKING:
    from polyhead.adapters.lora.config import LoraConfig
    from polyhead.batch import Packing

__all__ = ["DoraSite", "LoraSite"]


class LoraSite(nn.Module):
    """A tap that adds `s B A x` to what a linear layer computes of x.

    s is alpha / r, or alpha / sqrt(r), or each row's gate. Behind other taps it adds to their
    result, so the changes of several such adapters are summed.

    Attributes:
        down: A. Shape: (R, I).
        up: B. Shape: (O, R).
        bias: Added to B A x, and scaled with it; None without. Shape: (O,).
    """

    def __init__(
        self,
        config: LoraConfig,
        rank: int,
        scale: float,
        size: tuple[int, int],
        generator: torch.Generator | None,
    ) -> None:
        """Builds one change with fresh weights.

        Args:
            config: Of the adapter it belongs to.
            rank: R.
            scale: s, where there is no gate.
            size: O and I.
            generator: Where its weights are drawn from; None is torch's global generator.
        """
        super().__init__()
        written, read = size
        self.scale = scale
        self.dropout = config.dropout
        self.down = nn.Parameter(torch.empty(rank, read))
        self.up = nn.Parameter(torch.empty(written, rank))
        self.bias = nn.Parameter(torch.zeros(written)) if config.lora_bias else None
        if config.init_weights == "lora":
            init.kaiming_uniform_(self.down, a=math.sqrt(5), generator=generator)
            init.zeros_(self.up)
        else:
            init.normal_(self.down, std=0.02, generator=generator)
            init.normal_(self.up, std=0.02, generator=generator)
        self.gate = RowGate(read, generator) if config.use_gating else None

    def forward(
        self, inputs: Tensor, outputs: Tensor, projection: Projection, packing: Packing
    ) -> Tensor:
        """What takes the place of `outputs`; see ProjectionTap."""
        del projection
        inner_NR = self._inner(inputs)
        if self.gate is None:
            changed_NO = torch.addmm(outputs, inner_NR, self.up.t(), alpha=self.scale)
            return changed_NO if self.bias is None else changed_NO.add_(self.bias, alpha=self.scale)
        gate_N1 = self.gate(inputs, packing)
        # gated before B: the rank is fewer numbers than the linear layer writes
        changed_NO = torch.addmm(outputs, inner_NR * gate_N1, self.up.t())
        return changed_NO if self.bias is None else changed_NO.addcmul_(gate_N1, self.bias)

    def _inner(self, inputs: Tensor) -> Tensor:
        """A x, after dropout. Shape: (N, I) -> (N, R)."""
        return functional.linear(functional.dropout(inputs, self.dropout, self.training), self.down)

    def delta(self) -> Tensor:
        """What it adds to the weight where it has no gate, s B A. Shape: (O, I)."""
        return self.up @ self.down * self.scale

    def merged(self, projection: Projection) -> Projection:
        """The linear layer that computes the same by itself, where it has no gate."""
        bias = projection.bias
        if self.bias is not None:
            bias = bias + self.scale * self.bias
        return Projection(projection.weight + self.delta(), bias)


class DoraSite(LoraSite):
    """A tap that puts `m (W + s B A) / ||W + s B A||` in the place of a linear layer's weight W.

    The norm is that of each row of the weight, over what it reads. It is a constant in the backward
    pass (section 4.3 of the paper). The linear layer's bias stays as it is.

    Behind other taps it takes what they made of W x in the place of W x.

    Attributes:
        magnitude: m; once initialised, the norm of each row of W. Shape: (O,).

    Source: Liu et al. 2024, arXiv:2402.09353, equations 5 and 11.
    """

    def __init__(
        self,
        config: LoraConfig,
        rank: int,
        scale: float,
        size: tuple[int, int],
        generator: torch.Generator | None,
    ) -> None:
        """Builds one change with fresh weights, m all 1; arguments as those of LoraSite."""
        super().__init__(config, rank, scale, size, generator)
        self.magnitude = nn.Parameter(torch.ones(size[0]))

    @torch.no_grad()
    def initialise(self, projection: Projection) -> None:
        """Lets it start from the linear layer's own weight."""
        self.magnitude.copy_(_row_norms(projection.weight))

    def forward(
        self, inputs: Tensor, outputs: Tensor, projection: Projection, packing: Packing
    ) -> Tensor:
        """What takes the place of `outputs`; see ProjectionTap."""
        del packing
        factor_O = self._factor(projection)
        # m / ||.|| * (outputs - bias) + bias, in one step
        kept_NO = torch.addcmul(projection.bias * (1 - factor_O), outputs, factor_O)
        up_OR = self.up * factor_O.unsqueeze(1)
        return kept_NO.addmm_(self._inner(inputs), up_OR.t(), alpha=self.scale)

    def _factor(self, projection: Projection) -> Tensor:
        """What each row of W + s B A is multiplied by: m / ||W + s B A||. Shape: (O,)."""
        with torch.no_grad():
            changed_OI = torch.addmm(projection.weight, self.up, self.down, alpha=self.scale)
            norms_O = _row_norms(changed_OI)
            # a row of zeros has no direction: it stays one
            norms_O.clamp_(min=torch.finfo(norms_O.dtype).tiny)
        return self.magnitude / norms_O

    def merged(self, projection: Projection) -> Projection:
        """The linear layer that computes the same by itself."""
        weight = projection.weight + self.delta()
        return Projection(weight * self._factor(projection).unsqueeze(1), projection.bias)


def _row_norms(weight: Tensor) -> Tensor:
    """The length of each row. Shape: (O, I) -> (O,)."""
    norms_O: Tensor = torch.linalg.vector_norm(weight, dim=1)
    return norms_O
