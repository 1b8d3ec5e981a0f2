"""Which of the encoder's linear layers an adapter changes, and how large they are."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from polyhead.contracts import PROJECTIONS, EncoderShape
from polyhead.errors import ConfigError, shown

__all__ = ["LayersLeftOut", "Sites", "check_layers", "check_site", "layers_kept", "size_of"]


def _in_order(sites: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(site for site in PROJECTIONS if site in sites)


def _ascending(layers: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(sorted(set(layers)))


Sites = Annotated[
    tuple[Literal["q", "k", "v", "out", "lin1", "lin2"], ...], AfterValidator(_in_order)
]
"""Names of linear layers, in the order in which the encoder computes them, each once."""

LayersLeftOut = Annotated[
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


def check_site(layer: int, site: str, shape: EncoderShape) -> None:
    """Refuses a linear layer that the encoder lacks.

    Raises:
        ConfigError: There is no such layer, or no such site in it.
    """
    if not 0 <= layer < shape.n_layers:
        raise ConfigError(f"no layer {layer}; the encoder has 0 to {shape.n_layers - 1}.")
    if site not in PROJECTIONS:
        raise ConfigError(f"no linear layer {shown(site)}; there are: {', '.join(PROJECTIONS)}.")


def size_of(site: str, shape: EncoderShape) -> tuple[int, int]:
    """How many numbers a linear layer writes and reads, (O, I): the shape of its weight."""
    match site:
        case "lin1":
            return shape.ffn_width, shape.width
        case "lin2":
            return shape.width, shape.ffn_width
        case _:
            return shape.width, shape.width
