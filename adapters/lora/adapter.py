"""LoRA adapters: changes of low rank of the encoder's linear layers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from polyhead.adapters.lora.config import PRESETS, LoraConfig
from polyhead.adapters.lora.site import DoraSite, LoraSite
from polyhead.adapters.projection_sites import check_site, size_of
from polyhead.adapters.shares import why_not_whole
from polyhead.contracts import NO_TAPS, Adapter, LayerTaps
from polyhead.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from polyhead.contracts import EncoderShape, EncoderView, Projection

__all__ = ["LoraAdapter"]


class LoraAdapter(Adapter):
    """Changes of low rank of some of the encoder's linear layers, or with DoRA of their directions.

    Its tensors are called `<site>.<layer>.<part>`: `q.0.down` for A, `q.0.up` for B, and where
    there are any `q.0.bias`, `q.0.magnitude`, `q.0.gate.weight` and `q.0.gate.bias`.

    Source: Hu et al. 2021, arXiv:2106.09685; Liu et al. 2024 (DoRA), arXiv:2402.09353.
    """

    kind = "lora"
    Config = LoraConfig
    presets = PRESETS
    config: LoraConfig

    def __init__(self, config: LoraConfig, shape: EncoderShape) -> None:
        """Builds the adapter with fresh weights.

        Args:
            config: What it looks like. With `init_weights_seed` its weights depend on that seed
                alone, and torch's global generator is left as it is.
            shape: The sizes of the encoder it will be used with.

        Raises:
            ConfigError: The configuration does not fit that encoder.
        """
        super().__init__(config, shape)
        generator = config.generator()
        for site in config.modules:
            self.add_module(site, nn.ModuleDict())
        taps = [NO_TAPS] * shape.n_layers
        for layer in config.layers(shape):
            taps[layer] = _taps_of(
                {site: self._add(layer, site, generator) for site in config.modules}
            )
        self._taps = tuple(taps)

    def _add(self, layer: int, site: str, generator: torch.Generator | None) -> LoraSite:
        """A change with fresh weights, as a part of this adapter."""
        config = self.config
        site_class = DoraSite if config.use_dora else LoraSite
        rank, scale = config.rank(layer, site), config.scale(layer, site)
        part = site_class(config, rank, scale, size_of(site, self.shape), generator)
        self.get_submodule(site).add_module(str(layer), part)
        return part

    @property
    def is_per_token(self) -> bool:
        """See the base class: a gate reads the whole row."""
        return not self.config.use_gating

    def taps(self, layer: int) -> LayerTaps:
        """The changes of `layer`."""
        return self._taps[layer]

    def initialise(self, encoder: EncoderView) -> None:
        """Sets the lengths that DoRA starts from: those of the encoder's weights."""
        for layer, taps in enumerate(self._taps):
            for site in self.config.modules:
                part = getattr(taps, site)
                if isinstance(part, DoraSite):
                    part.initialise(encoder.projection(layer, site))

    @torch.no_grad()
    def delta(self, layer: int, site: str) -> Tensor:
        """What it adds to the weight of a linear layer; zeros where it does not act.

        A bias of B is not in it: see `merged`.

        Args:
            layer: Counted from 0.
            site: "q", "k", "v", "out", "lin1" or "lin2".

        Returns:
            Shape: (O, I).

        Raises:
            ConfigError: The encoder lacks that linear layer, or what the adapter does is no sum:
                it has gates, or is a DoRA.
        """
        if self.config.use_dora:
            raise ConfigError(
                "what a DoRA adapter adds to a weight depends on that weight; use "
                "merged(layer, site, projection)."
            )
        part = self._part(layer, site)
        if part is None:
            weight = next(self.parameters())
            return weight.new_zeros(size_of(site, self.shape))
        return part.delta()

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
        part = self._part(layer, site)
        return projection if part is None else part.merged(projection)

    def why_no_sum(self, shares: Sequence[float]) -> str | None:
        """Why weights of several cannot be added up; see Adapter."""
        if self.config.use_dora:
            reason = why_not_whole(shares, "a DoRA")
            if reason is not None:
                return reason
        if min(shares) < 0:
            return (
                "with a negative share A and B would both change their sign, and their product "
                "would not; use the strategy 'lora_linear_only_negate_b', or 'lora_delta_w_svd' "
                "where it is no DoRA."
            )
        return None

    def _part(self, layer: int, site: str) -> LoraSite | None:
        """The change of one linear layer, to be put into its weight."""
        check_site(layer, site, self.shape)
        if self.config.use_gating:
            raise ConfigError(
                "an adapter with use_gating has another effect on each text, which no weight has."
            )
        part: LoraSite | None = getattr(self._taps[layer], site)
        return part


def _taps_of(parts: dict[str, LoraSite]) -> LayerTaps:
    return LayerTaps(
        q=parts.get("q"),
        k=parts.get("k"),
        v=parts.get("v"),
        out=parts.get("out"),
        lin1=parts.get("lin1"),
        lin2=parts.get("lin2"),
    )
