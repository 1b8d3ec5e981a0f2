"""Which of the encoder's linear layers an adapter changes, and how large they are."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator

from polyhead.contracts import PROJECTIONS, EncoderShape
from polyhead.errors import ConfigError, shown

__all__ = ["Sites", "check_site", "size_of"]


def _in_order(sites: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(site for site in PROJECTIONS if site in sites)


Sites = Annotated[
    tuple[Literal["q", "k", "v", "out", "lin1", "lin2"], ...], AfterValidator(_in_order)
]
"""Names of linear layers, in the order in which the encoder computes them, each once."""


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
