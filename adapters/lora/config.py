"""The configuration of LoRA adapters, and the named ones."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Final, Literal, Self, TypeVar

from pydantic import AfterValidator, Field, model_validator

from polyhead.adapters.layers import LayerNumbers, check_layers, layers_kept
from polyhead.adapters.projection_sites import Sites
from polyhead.adapters.seeded_config import SeededConfig
from polyhead.contracts import PROJECTIONS, EncoderShape
from polyhead.errors import shown

__all__ = ["PRESETS", "LoraConfig"]

_HIGHEST_RANK: Final = 4_096  # far above any use; keeps a mistyped rank from asking for all memory
_KEY: Final = re.compile(rf"(?:(0|[1-9][0-9]{{0,5}})\.)?({'|'.join(PROJECTIONS)})")

ValueT = TypeVar("ValueT", int, float)


def _check_keys(pattern: dict[str, ValueT]) -> dict[str, ValueT]:
    odd = [key for key in pattern if _KEY.fullmatch(key) is None]
    if odd:
        raise ValueError(
            f"{shown(odd[0])} is neither a site, such as 'q', nor a layer and a site, such as "
            f"'2.q'; the sites are {', '.join(PROJECTIONS)}"
        )
    return pattern


_Rank = Annotated[int, Field(ge=1, le=_HIGHEST_RANK, strict=True)]
_Alpha = Annotated[float, Field(gt=0, strict=True)]


class LoraConfig(SeededConfig):
    """A change of low rank, `(alpha / r) B A`, of linear layers of the encoder."""

    r: _Rank = Field(default=8, description="The rank: how many numbers A makes of a token.")
    alpha: _Alpha = Field(
        default=8.0, description="The change is multiplied by alpha / r; see use_rslora."
    )
    modules: Sites = Field(
        default=("q", "v"),
        min_length=1,
        description="The linear layers that are changed: q, k, v and out of the attention, lin1 "
        "and lin2 of the feed-forward network.",
    )
    rank_pattern: Annotated[dict[str, _Rank], AfterValidator(_check_keys)] = Field(
        default={},
        description="Other ranks, by site ('q') or by layer, counted from 0, and site ('2.q'), "
        "which goes before the former.",
    )
    alpha_pattern: Annotated[dict[str, _Alpha], AfterValidator(_check_keys)] = Field(
        default={}, description="Other values of alpha, by the same names."
    )
    use_rslora: bool = Field(
        default=False, description="Whether the factor is alpha / sqrt(r) in place of alpha / r."
    )
    use_dora: bool = Field(
        default=False,
        description="Whether the change is one of the weights' direction, and their length is "
        "learned on its own.",
    )
    dropout: float = Field(
        default=0.0, ge=0, lt=1, description="Dropout of what A reads in training."
    )
    use_gating: bool = Field(
        default=False,
        description="Whether a learned gate between 0 and 1, one for each row, stands in the "
        "place of alpha / r.",
    )
    leave_out: LayerNumbers = Field(
        default=(), description="Layers, counted from 0, that are not changed."
    )
    lora_bias: bool = Field(default=False, description="Whether B has a bias.")
    init_weights: Literal["lora", "bert"] = Field(
        default="lora",
        description="Weights at the start: 'lora' uniform A and zero B, so that the adapter "
        "changes nothing yet; 'bert' N(0, 0.02) for both.",
    )

    @model_validator(mode="after")
    def _check_fields_together(self) -> Self:
        apart = (
            ("use_dora", "use_gating", "DoRA scales each weight by a length that it learns"),
            ("use_dora", "lora_bias", "DoRA changes the weights alone"),
            ("use_gating", "use_rslora", "the gate stands in the place of that factor"),
            ("use_gating", "alpha_pattern", "the gate stands in the place of alpha / r"),
        )
        for one, other, reason in apart:
            if getattr(self, one) and getattr(self, other):
                raise ValueError(f"{one} and {other} do not go together: {reason}")
        for field in ("rank_pattern", "alpha_pattern"):
            for key in getattr(self, field):
                self._check_meets(field, key)
        return self

    def _check_meets(self, field: str, key: str) -> None:
        """Refuses a key of a pattern that no change has."""
        layer, site = _parts(key)
        if site not in self.modules:
            raise ValueError(f"{field} names {key!r}, and {site} is not among the modules")
        if layer in self.leave_out:
            raise ValueError(f"{field} names {key!r}, a layer of leave_out")

    def layers(self, shape: EncoderShape) -> list[int]:
        """The layers that are changed.

        Raises:
            ConfigError: The encoder lacks a layer that is named, or no layer is left.
        """
        for field in ("rank_pattern", "alpha_pattern"):
            named = [_parts(key)[0] for key in getattr(self, field)]
            check_layers(tuple(layer for layer in named if layer is not None), field, shape)
        return layers_kept(self.leave_out, shape)

    def rank(self, layer: int, site: str) -> int:
        """The rank of one change."""
        return _most_specific(self.rank_pattern, layer, site, self.r)

    def scale(self, layer: int, site: str) -> float:
        """What one change is multiplied by, where no gate does that."""
        rank = self.rank(layer, site)
        alpha = _most_specific(self.alpha_pattern, layer, site, self.alpha)
        return alpha / math.sqrt(rank) if self.use_rslora else alpha / rank


def _parts(key: str) -> tuple[int | None, str]:
    """The layer, None for all of them, and the site of a pattern's key."""
    layer, _, site = key.rpartition(".")
    return (int(layer) if layer else None), site


def _most_specific(pattern: Mapping[str, ValueT], layer: int, site: str, usual: ValueT) -> ValueT:
    return pattern.get(f"{layer}.{site}", pattern.get(site, usual))


PRESETS: Final[Mapping[str, LoraConfig]] = MappingProxyType(
    {
        "lora": LoraConfig(),
        "rslora": LoraConfig(use_rslora=True),
        "dora": LoraConfig(use_dora=True),
    }
)
"""Configurations by name.

`lora` is Hu et al. 2021 (arXiv:2106.09685), `rslora` Kalajdzievski 2023 (arXiv:2312.03732), `dora`
Liu et al. 2024 (arXiv:2402.09353).
"""
