"""ReFT adapters: the states of a few tokens of each row, changed behind every layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from polyhead.adapters.reft.config import PRESETS, ReftConfig
from polyhead.adapters.reft.projection import parametrization_of, projection_of
from polyhead.adapters.reft.site import ReftSite
from polyhead.contracts import NO_TAPS, Adapter, LayerTaps

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from polyhead.contracts import EncoderShape

__all__ = ["ReftAdapter"]


class ReftAdapter(Adapter):
    """Changes of low rank of the first and last tokens' states, behind some layers or all.

    Its tensors are called `output.<layer>.<unit>.<part>`, the unit "prefix", "suffix" or "tied":
    `output.0.prefix.source.weight`, `output.2.tied.projection`. A unit for which there are no
    positions is left out.

    Source: Wu et al. 2024, arXiv:2404.03592.
    """

    kind = "reft"
    Config = ReftConfig
    presets = PRESETS
    config: ReftConfig

    def __init__(self, config: ReftConfig, shape: EncoderShape) -> None:
        """Builds the adapter with fresh weights.

        Args:
            config: What it looks like. With `init_weights_seed` its weights depend on that seed
                alone, and torch's global generator is left as it is.
            shape: The sizes of the encoder it will be used with.

        Raises:
            ConfigError: The configuration does not fit that encoder.
        """
        super().__init__(config, shape)
        layers = config.layers_of(shape)
        generator = config.generator()
        self.output = nn.ModuleDict()
        taps = [NO_TAPS] * shape.n_layers
        for layer in layers:
            site = ReftSite(config, shape.width, generator)
            self.output[str(layer)] = site
            taps[layer] = LayerTaps(output=site)
        self._taps = tuple(taps)

    @property
    def is_per_token(self) -> bool:
        """See the base class."""
        return True

    def taps(self, layer: int) -> LayerTaps:
        """The change behind `layer`."""
        return self._taps[layer]

    def why_no_sum(self, shares: Sequence[float]) -> str | None:
        """Why weights of several cannot be added up; see Adapter."""
        if self.config.orthogonality and tuple(shares) != (1.0,):
            return "directions at right angles are no longer so when they are added up."
        if min(shares) < 0:
            return (
                "with a negative share the directions and what is written along them would both "
                "change their sign, and their product would not."
            )
        return None

    @staticmethod
    def projection_of(original: Tensor, base: Tensor) -> Tensor:
        """A unit's `projection` out of the two tensors that torch saves of an orthogonal one.

        Args:
            original: The tensor `parametrizations.weight.original`. Shape: (R, D).
            base: The tensor `parametrizations.weight.0.base`. Shape: (D, D).

        Returns:
            Shape: (R, D).

        Raises:
            ConversionError: Their shapes do not go together, or they make no orthonormal rows.
        """
        return projection_of(original, base)

    @staticmethod
    def parametrization_of(projection: Tensor) -> tuple[Tensor, Tensor]:
        """Those two tensors, `original` and `base`, out of a unit's `directions()`."""
        return parametrization_of(projection)
