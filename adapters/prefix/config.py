"""The configuration of prefix adapters, and the named ones that go back to papers.

Fields carry the names and the meaning that the `adapters` library (AdapterHub) gives them.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Final, Self

from pydantic import AfterValidator, Field, model_validator

from polyhead.adapters.layers import LayerNumbers, layers_kept
from polyhead.adapters.seeded_config import SeededConfig
from polyhead.contracts import EncoderShape, check_activation

__all__ = ["PRESETS", "PrefixConfig"]

_LONGEST: Final = 4_096  # far above any use; keeps a mistyped size from asking for all memory
_WIDEST: Final = 16_384


class PrefixConfig(SeededConfig):
    """Learned keys and values in front of each layer's own, which all tokens attend to besides."""

    prefix_length: int = Field(
        default=30,
        ge=1,
        le=_LONGEST,
        strict=True,
        description="How many keys and values each layer gets.",
    )
    bottleneck_size: int = Field(
        default=512,
        ge=1,
        le=_WIDEST,
        strict=True,
        description="Width of the network that the prefix of all layers is computed by; without "
        "a meaning where flat is set.",
    )
    non_linearity: Annotated[str, AfterValidator(check_activation)] = Field(
        default="tanh", description="Activation of that network."
    )
    flat: bool = Field(
        default=False,
        description="Whether keys and values are learned themselves, without that network.",
    )
    dropout: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        strict=True,
        description="Dropout of keys and values in training, for each row on its own.",
    )
    use_gating: bool = Field(
        default=False,
        description="Whether learned gates between 0 and 1, in each layer and for each row, scale "
        "keys and values.",
    )
    shared_gating: bool = Field(
        default=True, description="Whether one gate scales both, and not one each."
    )
    leave_out: LayerNumbers = Field(
        default=(), description="Layers, counted from 0, that get no prefix."
    )

    @model_validator(mode="after")
    def _check_fields_together(self) -> Self:
        if not (self.shared_gating or self.use_gating):
            raise ValueError("shared_gating=False needs use_gating: there are no gates otherwise")
        return self

    def layers(self, shape: EncoderShape) -> list[int]:
        """The layers that have a prefix.

        Raises:
            ConfigError: leave_out names a layer that the encoder lacks, or all of them.
        """
        return layers_kept(self.leave_out, shape)


PRESETS: Final[Mapping[str, PrefixConfig]] = MappingProxyType(
    {"prefix_tuning": PrefixConfig(), "prefix_tuning_flat": PrefixConfig(flat=True)}
)
"""Configurations by name: Li & Liang 2021 (arXiv:2101.00190), and the same without a network."""
