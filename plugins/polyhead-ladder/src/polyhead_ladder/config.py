"""The configuration of a ladder, and the named ones."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field

import polyhead as ph

__all__ = ["PRESETS", "LadderConfig"]


def _checked_layers(value: object) -> object:
    """Before pydantic's own check of the union, which names every branch that fails."""
    if value in ("all", "alternate"):
        return value
    numbers = value if isinstance(value, list | tuple) else ()
    if not numbers or not all(type(number) is int and number >= 0 for number in numbers):
        raise ValueError("give 'alternate', 'all' or the layers' numbers, counted from 0")
    return tuple(sorted(set(numbers)))


_Layers = Annotated[Literal["alternate", "all"] | tuple[int, ...], BeforeValidator(_checked_layers)]


class LadderConfig(ph.AdapterConfig):
    """A small network beside the encoder that reads the hidden states of some of its layers.

    Each of those layers is a rung: its hidden states are projected down to the width of the side
    network, mixed into its state by a learned gate, and go through a block.
    """

    reduction_factor: float = Field(
        default=8.0,
        gt=0,
        description="Width of the encoder divided by that of the side network (rounded down to a "
        "multiple of `heads`, at least 2).",
    )
    layers: _Layers = Field(
        default="alternate",
        description="The layers that are rungs: their numbers, 0 for the embeddings; 'alternate', "
        "every second one, down from the last; or 'all', the embeddings too.",
    )
    attention: bool = Field(
        default=True,
        description="Whether the tokens of a text see one another in the blocks of the side "
        "network.",
    )
    heads: int = Field(default=1, ge=1, description="Attention heads of a block.")
    ffn_factor: float = Field(
        default=0.0,
        ge=0,
        le=64,
        description="Width of the feed-forward network of a block divided by that of the side "
        "network; 0: none.",
    )
    non_linearity: Annotated[str, AfterValidator(ph.check_activation)] = Field(
        default="gelu", description="Activation of the feed-forward networks."
    )
    gate_temperature: float = Field(
        default=0.1,
        gt=0,
        description="By what a gate's weight is divided: lower ones let the gates move faster.",
    )
    dropout: float = Field(
        default=0.0, ge=0, lt=1, description="Dropout of the side network's result in training."
    )

    def rungs(self, shape: ph.EncoderShape) -> tuple[int, ...]:
        """The layers that are rungs in an encoder, ascending.

        Raises:
            ConfigError: It does not have one of them.
        """
        if self.layers == "alternate":
            return tuple(reversed(range(shape.n_layers, 0, -2)))
        if self.layers == "all":
            return tuple(range(shape.n_layers + 1))
        if self.layers[-1] > shape.n_layers:
            raise ph.ConfigError(
                f"layers names {self.layers[-1]}; the encoder has the layers 1 to "
                f"{shape.n_layers}, and 0 stands for the embeddings."
            )
        return self.layers

    def width(self, shape: ph.EncoderShape) -> int:
        """The width of the side network.

        Raises:
            ConfigError: It would be wider than the encoder.
        """
        width = int(shape.width / self.reduction_factor) // self.heads * self.heads
        # one number alone has no norm
        width = max(width, 2 if self.heads == 1 else self.heads)
        if width > shape.width:
            raise ph.ConfigError(
                f"reduction_factor {self.reduction_factor:g} and {self.heads} attention heads make "
                f"a side network of width {width:,}; the encoder has {shape.width:,}."
            )
        return width


PRESETS: Final[Mapping[str, LadderConfig]] = MappingProxyType(
    {
        "ladder_light": LadderConfig(reduction_factor=16, attention=False, ffn_factor=1),
        "ladder_full": LadderConfig(layers="all", ffn_factor=4),
    }
)
"""Configurations by name."""
