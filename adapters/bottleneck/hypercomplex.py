"""Parametrised hypercomplex multiplication: a linear layer out of small matrices (Compacter).

Dimensions: N tokens, I and O numbers read and written, P parts, K rank.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import torch
from torch import Tensor, nn
from torch.nn import functional, init

if TYPE_CHECKING:
    from polyhead.adapters.bottleneck.config import BottleneckConfig

__all__ = ["HypercomplexLinear", "HypercomplexShared"]

_OWN_RULE_RANGE: Final = 0.01
_SHARED_RULE_BOUND: Final = 1.0


class _Matrices(nn.Module):
    """P matrices of one shape: `whole`, or each the product of two thin ones, `left` and `right`.

    Those that are not learned are buffers: they are saved, and no optimiser sees them.
    """

    def __init__(
        self, parts: int, rows: int, columns: int, rank: int | None, *, is_learned: bool = True
    ) -> None:
        """Makes them, not filled yet.

        Args:
            parts: P.
            rows: Of each.
            columns: Of each.
            rank: K, which the thin ones share; None for whole matrices.
            is_learned: Whether training changes them.
        """
        super().__init__()
        shapes = {"whole": (parts, rows, columns)}
        if rank is not None:
            shapes = {"left": (parts, rows, rank), "right": (parts, rank, columns)}
        self._names = tuple(shapes)
        for name, shape in shapes.items():
            if is_learned:
                self.register_parameter(name, nn.Parameter(torch.empty(shape)))
            else:
                self.register_buffer(name, torch.empty(shape))

    def forward(self) -> Tensor:
        """All of them. Shape: (P, rows, columns)."""
        tensors = self.tensors()
        return tensors[0] if len(tensors) == 1 else torch.bmm(*tensors)

    def tensors(self) -> list[Tensor]:
        """What they are computed from."""
        return [getattr(self, name) for name in self._names]


class HypercomplexShared(nn.Module):
    """What the hypercomplex layers of one adapter have in common.

    Attributes:
        rule: P rules of (P, P), or None where each layer has its own.
        down: The blocks of all projections down, (D / P, R / P) each, or None likewise.
        up: Those of all projections up, (R / P, D / P) each.
    """

    def __init__(
        self, config: BottleneckConfig, width: int, inner: int, generator: torch.Generator | None
    ) -> None:
        """Makes them with fresh weights.

        Args:
            config: Of the adapter.
            width: D, the width of the encoder.
            inner: R, the width of every bottleneck.
            generator: Where the weights are drawn from; None is torch's global generator.
        """
        super().__init__()
        self.rule: _Matrices | None = None
        self.down: _Matrices | None = None
        self.up: _Matrices | None = None
        if config.shared_W_phm:
            self.down = _blocks(config, width, inner, generator)
            self.up = _blocks(config, inner, width, generator)
        if config.shared_phm_rule:
            self.rule = _rule(config, config.phm_init_range, _SHARED_RULE_BOUND, generator)


class HypercomplexLinear(nn.Module):
    """A linear layer whose matrix is a sum of Kronecker products.

    `y = x H + b` with `H = sum over p of kron(rule_p, W_p)`: the rules, P times P numbers each, say
    how the blocks W, (I / P) times (O / P) numbers each, are put together to I times O.

    Source: Zhang et al. 2021, arXiv:2102.08597; Mahabadi et al. 2021, arXiv:2106.04647. Shapes and
    first weights are those of the `adapters` library 1.3 but for one thing: there, every name in
    `hypercomplex_nonlinearity` means a normal distribution; here, each means what it says.
    """

    def __init__(
        self,
        config: BottleneckConfig,
        read: int,
        written: int,
        generator: torch.Generator | None,
        *,
        rule: _Matrices | None,
        blocks: _Matrices | None,
    ) -> None:
        """Makes the layer with fresh weights.

        Args:
            config: Of the adapter.
            read: I, a multiple of P.
            written: O, likewise.
            generator: Where the weights are drawn from; None is torch's global generator.
            rule: Shared by the adapter's layers; None for a rule of its own.
            blocks: Shared likewise, or None.
        """
        super().__init__()
        self.rule: _Matrices | None = None
        self.blocks: _Matrices | None = None
        if blocks is None:
            blocks = self.blocks = _blocks(config, read, written, generator)
        if rule is None:
            rule = self.rule = _rule(config, _OWN_RULE_RANGE, _OWN_RULE_RANGE, generator)
        # in a tuple, torch does not take them for parts of this layer: what is shared would be
        # saved with each of the layers that share it
        self._used = (rule, blocks)
        self.bias = nn.Parameter(torch.zeros(written)) if config.phm_bias else None
        self.is_thin = _is_thin(config, read, written)

    def forward(self, values: Tensor) -> Tensor:
        """Shape: (N, I) -> (N, O)."""
        inner_NQ, weight_QO = self.factors(values)
        return functional.linear(inner_NQ, weight_QO.t(), self.bias)

    def factors(self, values: Tensor) -> tuple[Tensor, Tensor]:
        """Two matrices whose product is `values` times its own; see BlankLinear.

        With thin blocks it is first `values` times their left factors, all far smaller than the
        layer's matrix, which need not be put together then.
        """
        if not self.is_thin:
            return values, self.matrix().t()
        rule, blocks = self._used
        left_PIK, right_PKO = blocks.tensors()
        parts, read, rank = left_PIK.shape
        left_QI = left_PIK.transpose(1, 2).reshape(parts * rank, read)
        rule_SP1S1 = rule().transpose(0, 1).unsqueeze(2).unsqueeze(-1)
        right_SPKSO = rule_SP1S1 * right_PKO.unsqueeze(2)
        n_inner = len(rule_SP1S1) * parts * rank
        inner = functional.linear(values.reshape(-1, read), left_QI)
        return inner.view(len(values), n_inner), right_SPKSO.reshape(n_inner, -1)

    def matrix(self) -> Tensor:
        """Its weight, put together. Shape: (O, I)."""
        rule, blocks = self._used
        rule_PSS, blocks_PIO = rule(), blocks()
        (_, side, _), (_, read, written) = rule_PSS.shape, blocks_PIO.shape
        product = rule_PSS.flatten(1).t() @ blocks_PIO.flatten(1)
        weight_SOSI = product.view(side, side, read, written).permute(1, 3, 0, 2)
        weight: Tensor = weight_SOSI.reshape(side * written, side * read)
        return weight


def _is_thin(config: BottleneckConfig, read: int, written: int) -> bool:
    """Whether tokens are multiplied with the thin factors in less time than with the matrix.

    Putting the matrix together takes time of its own, which counts where tokens are few.
    """
    if not config.factorized_phm_W:
        return False
    inner = config.phm_dim * config.phm_rank
    return inner * (read + config.phm_dim * written) < read * written


def _blocks(
    config: BottleneckConfig, read: int, written: int, generator: torch.Generator | None
) -> _Matrices:
    """P fresh blocks of a layer that reads I numbers and writes O."""
    parts = config.phm_dim
    rank = config.phm_rank if config.factorized_phm_W else None
    blocks = _Matrices(parts, read // parts, written // parts, rank)
    with torch.no_grad():
        for matrix in (part for tensor in blocks.tensors() for part in tensor):
            match config.hypercomplex_nonlinearity:
                case "glorot-uniform":
                    init.xavier_uniform_(matrix, generator=generator)
                case "glorot-normal":
                    init.xavier_normal_(matrix, generator=generator)
                case "normal":
                    init.normal_(matrix, std=config.phm_init_range, generator=generator)
    return blocks


def _rule(
    config: BottleneckConfig, spread: float, bound: float, generator: torch.Generator | None
) -> _Matrices:
    """P fresh rules: of that deviation where `phm_c_init` is "normal", else within that bound."""
    parts = config.phm_dim
    rank = 1 if config.factorized_phm_rule else None
    rule = _Matrices(parts, parts, parts, rank, is_learned=config.learn_phm)
    for tensor in rule.tensors():
        if config.phm_c_init == "normal":
            init.normal_(tensor, std=spread, generator=generator)
        else:
            init.uniform_(tensor, -bound, bound, generator=generator)
    return rule
