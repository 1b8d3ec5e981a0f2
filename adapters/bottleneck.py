"""Bottleneck adapters: a small network at one or two sites of every layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from polyhead.adapters.bottleneck_config import PRESETS, BottleneckConfig
from polyhead.adapters.bottleneck_site import BottleneckSite
from polyhead.contracts import NO_TAPS, Adapter, LayerTaps

if TYPE_CHECKING:
    from polyhead.contracts import EncoderShape

__all__ = ["BottleneckAdapter"]


class BottleneckAdapter(Adapter):
    """Bottlenecks behind or beside the attention, the feed-forward network or both.

    Its tensors are called `<site>.<layer>.<part>`: `ffn.0.down.weight`, `attention.2.up.bias`.

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
        generator = None
        if config.init_weights_seed is not None:
            generator = torch.Generator().manual_seed(config.init_weights_seed)
        self.attention = nn.ModuleDict()
        self.ffn = nn.ModuleDict()
        taps = [NO_TAPS] * shape.n_layers
        for layer, inner in config.widths(shape).items():
            attention = ffn = None
            if config.mh_adapter:
                attention = BottleneckSite(config, shape.width, inner, generator)
                self.attention[str(layer)] = attention
            if config.output_adapter:
                ffn = BottleneckSite(config, shape.width, inner, generator)
                self.ffn[str(layer)] = ffn
            taps[layer] = LayerTaps(attention=attention, ffn=ffn)
        self._taps = tuple(taps)

    def taps(self, layer: int) -> LayerTaps:
        """The bottlenecks of `layer`."""
        return self._taps[layer]
