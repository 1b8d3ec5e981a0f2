"""Bottleneck adapters: a small network at one or two sites of every layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from polyhead.adapters.bottleneck.config import BottleneckConfig
from polyhead.adapters.bottleneck.hypercomplex import HypercomplexShared
from polyhead.adapters.bottleneck.invertible import GlowCoupling, NiceCoupling
from polyhead.adapters.bottleneck.presets import PRESETS
from polyhead.adapters.bottleneck.site import BottleneckSite
from polyhead.adapters.shares import why_not_whole
from polyhead.contracts import NO_TAPS, Adapter, LayerTaps

if TYPE_CHECKING:
    from collections.abc import Sequence

    from polyhead.contracts import EmbeddingsTap, EncoderShape

__all__ = ["BottleneckAdapter"]


class BottleneckAdapter(Adapter):
    """Bottlenecks behind or beside the attention, the feed-forward network or both.

    Its tensors are called `<site>.<layer>.<part>`: `ffn.0.down.weight`, `attention.2.up.bias`. What
    hypercomplex layers share is called `shared.<part>`, an invertible adapter `invertible.<part>`.

    Source: Houlsby et al. 2019, arXiv:1902.00751; Pfeiffer et al. 2020, arXiv:2005.00052; He et al.
    2021, arXiv:2110.04366.
    """

    kind = "bottleneck"
    Config = BottleneckConfig
    presets = PRESETS
    config: BottleneckConfig

    def __init__(self, config: BottleneckConfig, shape: EncoderShape) -> None:
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
        self.attention = nn.ModuleDict()
        self.ffn = nn.ModuleDict()
        widths = config.widths(shape)
        shared = None
        if config.phm_layer:
            inner = next(iter(widths.values()))  # of all, where it counts
            shared = HypercomplexShared(config, shape.width, inner, generator)
        self.shared = shared
        taps = [NO_TAPS] * shape.n_layers
        for layer, inner in widths.items():
            attention = ffn = None
            if config.mh_adapter:
                attention = BottleneckSite(config, shape.width, inner, generator, shared)
                self.attention[str(layer)] = attention
            if config.output_adapter:
                ffn = BottleneckSite(config, shape.width, inner, generator, shared)
                self.ffn[str(layer)] = ffn
            taps[layer] = LayerTaps(attention=attention, ffn=ffn)
        self._taps = tuple(taps)
        self.invertible: NiceCoupling | GlowCoupling | None = None
        if config.inv_adapter is not None:
            coupling = NiceCoupling if config.inv_adapter == "nice" else GlowCoupling
            self.invertible = coupling(config, shape.width, generator)

    def embeddings_tap(self) -> EmbeddingsTap | None:
        """The invertible adapter, where it has one."""
        return self.invertible

    @property
    def is_per_token(self) -> bool:
        """See the base class: a gate reads the whole row."""
        return not self.config.use_gating

    def taps(self, layer: int) -> LayerTaps:
        """The bottlenecks of `layer`."""
        return self._taps[layer]

    def neutral(self, weight: str) -> float:
        """1 for a learned scaling and for the factors of norms; see Adapter."""
        is_factor = weight.endswith((".scale", ".norm_before.weight", ".norm_after.weight"))
        return 1.0 if is_factor else 0.0

    def why_no_sum(self, shares: Sequence[float]) -> str | None:
        """Why weights of several cannot be added up; see Adapter."""
        if _can_do_nothing(self.config):
            return None
        return why_not_whole(shares, "a bottleneck with these residuals and norms")


def _can_do_nothing(config: BottleneckConfig) -> bool:
    """Whether a bottleneck that adds 0 leaves the encoder's own step, `norm(f + h)`."""
    if config.adapter_residual_before_ln:  # a norm over f
        return False
    if config.original_ln_before and not config.is_parallel:
        match config.residual_before_ln:
            case "post_add":
                return False
            case False:  # its residual is `norm(f + h)` already
                return not config.original_ln_after
    return config.original_ln_after
