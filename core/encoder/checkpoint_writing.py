"""From our encoder to the weights of a transformers checkpoint of DistilBERT."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor

from polyhead.encoder.checkpoint_names import weight_names
from polyhead.errors import ConfigError

if TYPE_CHECKING:
    from polyhead.encoder.encoder import Encoder

__all__ = ["checkpoint_weights"]


def checkpoint_weights(encoder: Encoder) -> dict[str, Tensor]:
    """The encoder's weights under DistilBERT's names, without prefix, Q, K and V apart.

    Raises:
        ConfigError: They were rounded, see `Encoder.reduce`.
    """
    if encoder.is_reduced:
        raise ConfigError(
            f"the weights of this encoder are rounded to {encoder.precision}, and a checkpoint "
            "holds them in floating point; load it in float32."
        )
    apart: dict[str, Tensor] = {}
    for name, weight in encoder.state_dict().items():
        if ".attention.qkv." in name:
            for letter, third in zip("qkv", weight.chunk(3), strict=True):
                apart[name.replace(".qkv.", f".{letter}.")] = third
        else:
            apart[name] = weight
    return {theirs: apart[ours] for ours, theirs in weight_names(encoder.config.n_layers)}
