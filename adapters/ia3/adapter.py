"""(IA)3 adapters: learned factors of what the encoder's linear layers write or read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from polyhead.adapters.ia3.config import PRESETS, Ia3Config
from polyhead.adapters.ia3.scale import InnerScale, InputScale, OutputScale, Scale, TwoTaps
from polyhead.adapters.layers import layers_kept
from polyhead.adapters.projection_sites import check_site, size_of
from polyhead.adapters.shares import why_not_whole
from polyhead.contracts import NO_TAPS, Adapter, LayerTaps
from polyhead.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from polyhead.contracts import EncoderShape, Projection, ProjectionTap

__all__ = ["Ia3Adapter"]


class Ia3Adapter(Adapter):
    """Factors, 1 at first, of the outputs and inputs of some of the encoder's linear layers.

    Its tensors are called `outputs.<site>.<layer>.<part>` and `inputs.<site>.<layer>.<part>`:
    `outputs.k.0.scale`, `inputs.lin2.0.scale`, with gates also `outputs.k.0.gate.weight` and
    `outputs.k.0.gate.bias`.

    Source: Liu et al. 2022, arXiv:2205.05638.
    """

    kind = "ia3"
    Config = Ia3Config
    presets = PRESETS
    config: Ia3Config

    def __init__(self, config: Ia3Config, shape: EncoderShape) -> None:
        """Builds the adapter with fresh weights.

        Args:
            config: What it looks like.
            shape: The sizes of the encoder it will be used with.

        Raises:
            ConfigError: The configuration does not fit that encoder.
        """
        super().__init__(config, shape)
        self.outputs = nn.ModuleDict({site: nn.ModuleDict() for site in config.outputs})
        self.inputs = nn.ModuleDict({site: nn.ModuleDict() for site in config.inputs})
        self._scales: dict[tuple[int, str], list[Scale]] = {}
        taps = [NO_TAPS] * shape.n_layers
        for layer in layers_kept(config.leave_out, shape):
            taps[layer] = self._add(layer)
        self._taps = tuple(taps)

    def _add(self, layer: int) -> LayerTaps:
        """Fresh factors for one layer, as parts of this adapter, and where they act."""
        use_gating = self.config.use_gating
        taps: dict[str, ProjectionTap] = {}
        inner = None
        for site in self.config.inputs:
            _, read = size_of(site, self.shape)
            if site == "lin2":  # what it reads has a site of its own
                inner = InnerScale(read, read, use_gating=use_gating)
                self._keep(self.inputs, layer, site, inner)
            else:
                scale = InputScale(read, read, use_gating=use_gating)
                self._keep(self.inputs, layer, site, scale)
                taps[site] = scale
        for site in self.config.outputs:
            output = OutputScale(*size_of(site, self.shape), use_gating=use_gating)
            self._keep(self.outputs, layer, site, output)
            taps[site] = TwoTaps(taps[site], output) if site in taps else output
        return LayerTaps(
            q=taps.get("q"),
            k=taps.get("k"),
            v=taps.get("v"),
            out=taps.get("out"),
            lin1=taps.get("lin1"),
            inner=inner,
            lin2=taps.get("lin2"),
        )

    def _keep(self, group: nn.ModuleDict, layer: int, site: str, scale: Scale) -> None:
        group.get_submodule(site).add_module(str(layer), scale)
        self._scales.setdefault((layer, site), []).append(scale)

    @property
    def is_per_token(self) -> bool:
        """See the base class: a gate reads the whole row."""
        return not self.config.use_gating

    def taps(self, layer: int) -> LayerTaps:
        """The factors of `layer`."""
        return self._taps[layer]

    @torch.no_grad()
    def merged(self, layer: int, site: str, projection: Projection) -> Projection:
        """The linear layer that computes by itself what `projection` computes with the adapter.

        Args:
            layer: Counted from 0.
            site: "q", "k", "v", "out", "lin1" or "lin2".
            projection: The encoder's linear layer of that place, which stays as it is.

        Returns:
            A new one; `projection` itself where the adapter does not act.

        Raises:
            ConfigError: The encoder lacks that linear layer, or the adapter has gates.
        """
        check_site(layer, site, self.shape)
        if self.config.use_gating:
            raise ConfigError(
                "an adapter with use_gating has another effect on each text, which no weight has."
            )
        for scale in self._scales.get((layer, site), ()):
            projection = scale.merged(projection)
        return projection

    def neutral(self, weight: str) -> float:
        """1 for the factors; see Adapter."""
        return 1.0 if weight.endswith(".scale") else 0.0

    def why_no_sum(self, shares: Sequence[float]) -> str | None:
        """Why weights of several cannot be added up; see Adapter."""
        return why_not_whole(shares, "an IA3 with gates") if self.config.use_gating else None
