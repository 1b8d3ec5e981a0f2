"""The configuration of ReFT adapters, and the named ones that go back to the paper.

Fields carry the names and the meaning that the `adapters` library (AdapterHub) gives them.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Final, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from polyhead.adapters.layers import LayerNumbers, check_layers
from polyhead.adapters.seeded_config import SeededConfig
from polyhead.contracts import EncoderShape, check_activation
from polyhead.errors import ConfigError

__all__ = ["PRESETS", "ReftConfig"]

_MOST_POSITIONS: Final = 4_096  # far above any use, as is the highest rank
_HIGHEST_RANK: Final = 4_096


def _none_for_all(value: object) -> object:
    """That library writes "all"."""
    return None if value == "all" else value


_Layers = Annotated[LayerNumbers, Field(min_length=1)]


class ReftConfig(SeededConfig):
    """A change of low rank of a few tokens' hidden states, behind layers of the encoder."""

    layers: Annotated[_Layers | None, BeforeValidator(_none_for_all)] = Field(
        default=None,
        description="Layers, counted from 0, behind which states are changed; all when None.",
    )
    prefix_positions: int = Field(
        default=3,
        ge=0,
        le=_MOST_POSITIONS,
        strict=True,
        description="How many tokens at the start of each row are changed.",
    )
    suffix_positions: int = Field(
        default=0,
        ge=0,
        le=_MOST_POSITIONS,
        strict=True,
        description="How many tokens at the end of each row are changed; in a row too short for "
        "both, these come first.",
    )
    r: int = Field(
        default=1,
        ge=1,
        le=_HIGHEST_RANK,
        strict=True,
        description="The rank: in how many directions a state is changed.",
    )
    orthogonality: bool = Field(
        default=True,
        description="Whether these directions are kept of length 1 and at right angles.",
    )
    subtract_projection: bool = Field(
        default=True,
        description="Whether what the state itself has in these directions is taken away.",
    )
    tied_weights: bool = Field(
        default=False, description="Whether the start and the end of a row share their weights."
    )
    dropout: float = Field(
        default=0.05,
        ge=0,
        lt=1,
        strict=True,
        description="Dropout of the changed states in training.",
    )
    non_linearity: Annotated[str, AfterValidator(check_activation)] | None = Field(
        default=None, description="Activation of what is put in their place; none when None."
    )

    @model_validator(mode="after")
    def _check_fields_together(self) -> Self:
        if not (self.prefix_positions or self.suffix_positions):
            raise ValueError(
                "at least one of prefix_positions and suffix_positions must be greater than 0"
            )
        return self

    def layers_of(self, shape: EncoderShape) -> tuple[int, ...]:
        """The layers behind which states are changed.

        Raises:
            ConfigError: The encoder lacks one that is named, or is narrower than the rank.
        """
        if self.r > shape.width:
            raise ConfigError(
                f"r={self.r} is more than the encoder's width; the most is {shape.width}."
            )
        if self.layers is None:
            return tuple(range(shape.n_layers))
        check_layers(self.layers, "layers", shape)
        return self.layers

    @property
    def units(self) -> tuple[str, ...]:
        """The networks of each layer: "tied" for both ends of a row, or "prefix" and "suffix"."""
        if self.tied_weights:
            return ("tied",)
        ends = {"prefix": self.prefix_positions, "suffix": self.suffix_positions}
        return tuple(name for name, positions in ends.items() if positions)


PRESETS: Final[Mapping[str, ReftConfig]] = MappingProxyType(
    {
        "loreft": ReftConfig(orthogonality=True),
        "noreft": ReftConfig(orthogonality=False),
        "direft": ReftConfig(orthogonality=False, subtract_projection=False),
    }
)
"""Configurations by name: Wu et al. 2024 (arXiv:2404.03592), and its two variations."""
