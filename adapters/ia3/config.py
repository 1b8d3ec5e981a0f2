"""The configuration of (IA)3 adapters."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Self

from pydantic import Field, model_validator

from polyhead.adapters.layers import LayerNumbers
from polyhead.adapters.projection_sites import Sites
from polyhead.contracts import AdapterConfig

__all__ = ["PRESETS", "Ia3Config"]


class Ia3Config(AdapterConfig):
    """One learned factor for each number that linear layers of the encoder write or read.

    The paper scales keys, values, and what lies between the two linear layers of the feed-forward
    network, behind the activation: what lin2 reads. The `adapters` library scales it in front of
    the activation, which is `outputs=("k", "v", "lin1"), inputs=()`.
    """

    outputs: Sites = Field(
        default=("k", "v"),
        description="The linear layers whose output is scaled, with their bias: q, k, v and out of "
        "the attention, lin1 and lin2 of the feed-forward network.",
    )
    inputs: Sites = Field(
        default=("lin2",), description="The linear layers whose input is scaled, by the same names."
    )
    use_gating: bool = Field(
        default=False,
        description="Whether the factors are multiplied by a learned gate between 0 and 1, one "
        "for each row.",
    )
    leave_out: LayerNumbers = Field(
        default=(), description="Layers, counted from 0, that are not changed."
    )

    @model_validator(mode="after")
    def _check_something_is_scaled(self) -> Self:
        if not (self.outputs or self.inputs):
            raise ValueError("outputs and inputs are both empty; name at least one linear layer")
        return self


PRESETS: Final[Mapping[str, Ia3Config]] = MappingProxyType({"ia3": Ia3Config()})
"""Configurations by name. `ia3` is Liu et al. 2022 (arXiv:2205.05638)."""
