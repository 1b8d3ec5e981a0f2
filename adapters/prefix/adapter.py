"""Prefix adapters: keys and values that every token attends to besides those of its row."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from polyhead.adapters.prefix.config import PRESETS, PrefixConfig
from polyhead.adapters.prefix.site import PrefixSite, PrefixTap, PrefixTrunk
from polyhead.adapters.shares import why_not_whole
from polyhead.contracts import NO_TAPS, Adapter, LayerTaps

if TYPE_CHECKING:
    from collections.abc import Sequence

    from polyhead.contracts import EncoderShape

__all__ = ["PrefixAdapter"]


class PrefixAdapter(Adapter):
    """A prefix in front of the keys and values of every layer.

    Its tensors are called `trunk.<part>` and `prefix.<layer>.<part>`: `trunk.embedding`,
    `prefix.2.up.weight`, whose upper half makes keys and whose lower half makes values; of a flat
    one, `prefix.2.keys` and `prefix.2.values`.

    Source: Li & Liang 2021, arXiv:2101.00190.
    """

    kind = "prefix"
    Config = PrefixConfig
    presets = PRESETS
    config: PrefixConfig

    def __init__(self, config: PrefixConfig, shape: EncoderShape) -> None:
        """Builds the adapter with fresh weights.

        Args:
            config: What it looks like. With `init_weights_seed` its weights depend on that seed
                alone, and torch's global generator is left as it is.
            shape: The sizes of the encoder it will be used with.

        Raises:
            ConfigError: The configuration does not fit that encoder.
        """
        super().__init__(config, shape)
        layers = config.layers(shape)
        generator = config.generator()
        self.trunk = None if config.flat else PrefixTrunk(config, shape.width, generator)
        self.prefix = nn.ModuleDict()
        taps = [NO_TAPS] * shape.n_layers
        for layer in layers:
            site = PrefixSite(config, shape, generator)
            self.prefix[str(layer)] = site
            taps[layer] = LayerTaps(prefix=PrefixTap(site, self.trunk))
        self._taps = tuple(taps)

    @property
    def is_per_token(self) -> bool:
        """See the base class: it acts in the attention alone."""
        return True

    def taps(self, layer: int) -> LayerTaps:
        """The prefix of `layer`."""
        return self._taps[layer]

    def why_no_sum(self, shares: Sequence[float]) -> str | None:
        """Why weights of several cannot be added up; see Adapter."""
        return why_not_whole(shares, "a prefix")

    @torch.no_grad()
    def flattened(self) -> PrefixAdapter:
        """A new adapter with `flat` set that computes the same.

        It is smaller than one whose prefix is computed by a network, and as good for predictions;
        training it further learns in another way.
        """
        state: dict[str, Tensor] = {}
        for layer, site in self.prefix.items():
            assert isinstance(site, PrefixSite)  # noqa: S101 - for mypy: a ModuleDict forgets it
            keys_PD, values_PD = site.keys_and_values(self.trunk)
            state |= {f"prefix.{layer}.keys": keys_PD, f"prefix.{layer}.values": values_PD}
            if site.gate is not None:
                gate = site.gate.state_dict(prefix=f"prefix.{layer}.gate.")
                state |= gate
        with torch.device("meta"):  # its own fresh weights would be drawn for nothing
            flat = PrefixAdapter(self.config.model_copy(update={"flat": True}), self.shape)
        flat.load_state_dict({name: value.clone() for name, value in state.items()}, assign=True)
        return flat.train(self.training)
