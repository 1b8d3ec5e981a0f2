"""AdapterFusion: a learned attention over several adapters."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from torch import Tensor, nn

from polyhead.adapters.fusion.config import FusionConfig
from polyhead.adapters.fusion.site import FusedTap, FusionSite
from polyhead.adapters.shares import why_not_whole
from polyhead.contracts import NO_TAPS, ComposableTap, FusingAdapter, LayerTaps
from polyhead.errors import ConfigError

if TYPE_CHECKING:
    from polyhead.contracts import EncoderShape

__all__ = ["FusionAdapter"]

_REGULARIZATION: Final = 0.01


class FusionAdapter(FusingAdapter):
    """Weighs, for each token, what several trained adapters make of it.

    An adapter that does not act in a layer, or at one of the sites, has no part in what is fused
    there; where none acts, nothing does.

    Its tensors are called `<site>.<layer>.<part>`: `ffn.0.query.weight`, `attention.2.value`.

    Source: Pfeiffer et al. 2021, arXiv:2005.00247.
    """

    kind = "fusion"
    Config = FusionConfig
    config: FusionConfig

    def __init__(self, config: FusionConfig, shape: EncoderShape) -> None:
        """Builds the fusion with fresh weights.

        Args:
            config: What it looks like.
            shape: The sizes of the encoder it will be used with.

        Raises:
            ConfigError: The configuration does not fit that encoder.
        """
        super().__init__(config, shape)
        self.attention = nn.ModuleDict()
        self.ffn = nn.ModuleDict()
        for layer in config.layers(shape):
            for site in config.sites:
                self._sites(site)[str(layer)] = FusionSite(config, shape.width)

    @property
    def is_per_token(self) -> bool:
        """See the base class: what it fuses is asked besides."""
        return True

    def taps_over(self, layer: int, parts: Sequence[LayerTaps]) -> LayerTaps:
        """The attention over what `parts` do in `layer`.

        Raises:
            ConfigError: One of them acts where this fusion does not, or in a way that cannot be
                fused.
        """
        for name, part in zip(self.fused, parts, strict=True):
            self._check(name, part, layer)
        if layer in self.config.leave_out:
            return NO_TAPS
        sites: dict[str, Any] = {}
        for site in self.config.sites:
            taps = tuple(getattr(part, site) for part in parts)
            acting = tuple(tap for tap in taps if tap is not None)
            if acting:
                module = self._sites(site)[str(layer)]
                sites[site] = FusedTap(module, acting)  # type: ignore[arg-type]  # as it was filled
        return LayerTaps(**sites) if sites else NO_TAPS

    def penalty(self) -> Tensor | None:
        """0.01 times the squared distance of the values' matrices from the identity. Shape: ()."""
        if not self.config.regularization:
            return None
        distances = [
            site.distance()
            for sites in (self.attention, self.ffn)
            for site in sites.values()
            if isinstance(site, FusionSite)
        ]
        total = sum(distance for distance in distances if distance is not None)
        return total * _REGULARIZATION  # type: ignore[return-value]  # there is at least one site

    def why_no_sum(self, shares: Sequence[float]) -> str | None:
        """Why weights of several cannot be added up; see Adapter."""
        return why_not_whole(shares, "a fusion")

    def _sites(self, site: str) -> nn.ModuleDict:
        return self.attention if site == "attention" else self.ffn

    def _check(self, name: str, part: LayerTaps, layer: int) -> None:
        """Refuses an adapter that does more than can be fused: that would go missing."""
        for site in LayerTaps.sites():
            tap = getattr(part, site)
            if tap is None:
                continue
            if site not in ("attention", "ffn"):
                raise ConfigError(
                    f"the adapter {name!r} cannot be fused: it acts at {site!r} in layer {layer}, "
                    "and only what acts at 'attention' and 'ffn' can."
                )
            if site not in self.config.sites:
                raise ConfigError(
                    f"the adapter {name!r} acts at {site!r} in layer {layer}, where this fusion "
                    f"does not; make one with sites={tuple(sorted({*self.config.sites, site}))}."
                )
            if not _is_composable(type(tap)):  # type: ignore[arg-type]  # a class can be hashed
                raise ConfigError(
                    f"the adapter {name!r} cannot be fused: its {type(tap).__name__} at {site!r} "
                    "has no `change` and `close`, the two steps of a ComposableTap."
                )


@lru_cache(maxsize=256)  # of classes: asked in every layer of every batch
def _is_composable(tap: type) -> bool:
    return issubclass(tap, ComposableTap)
