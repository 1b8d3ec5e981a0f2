"""Numbers of the encoder's layers, as configs have them."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from polyhead.contracts import EncoderShape
from polyhead.errors import ConfigError

__all__ = ["LayerNumbers", "check_layers", "layers_kept"]


def _ascending(layers: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(sorted(set(layers)))


LayerNumbers = Annotated[
    tuple[Annotated[int, Field(ge=0, strict=True)], ...], AfterValidator(_ascending)
]
"""Numbers of layers, counted from 0, ascending, each once."""


def layers_kept(leave_out: tuple[int, ...], shape: EncoderShape) -> list[int]:
    """The encoder's layers without those left out.

    Raises:
        ConfigError: The encoder lacks one that is named, or no layer is left.
    """
    check_layers(leave_out, "leave_out", shape)
    kept = [layer for layer in range(shape.n_layers) if layer not in leave_out]
    if not kept:
        raise ConfigError(f"leave_out names all {shape.n_layers} layers; leave at least one.")
    return kept


def check_layers(layers: tuple[int, ...], field: str, shape: EncoderShape) -> None:
    """Refuses layers that the encoder lacks.

    Raises:
        ConfigError: There is one; the message says which.
    """
    absent = sorted(layer for layer in layers if layer >= shape.n_layers)
    if absent:
        raise ConfigError(
            f"{field} names layer {absent[0]}; the encoder has the layers 0 to "
            f"{shape.n_layers - 1}."
        )
