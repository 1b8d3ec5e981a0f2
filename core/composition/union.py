"""Several adapters that are named, trained and saved as one."""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import torch
from torch import Tensor, nn

from polyhead.composition.stacked import stacked, stacked_embeddings
from polyhead.composition.union_config import UnionConfig
from polyhead.contracts import (
    Adapter,
    AdapterConfig,
    EmbeddingsTap,
    FusingAdapter,
    LayerTaps,
    SideAdapter,
)
from polyhead.errors import ConfigError
from polyhead.registry import registry

if TYPE_CHECKING:
    from polyhead.contracts import EncoderShape, EncoderView, Projection

__all__ = ["UnionAdapter"]

_PRESETS: Final = MappingProxyType(
    {
        "mam": "prefix_tuning[bottleneck_size=800]|par_bn",
        "unipelt": "prefix_tuning[prefix_length=10,use_gating=true]|seq_bn[use_gating=true]"
        "|lora[alpha=2,use_gating=true]",
    }
)


class UnionAdapter(Adapter):
    """Adapters of several kinds in one, such as a prefix with parallel bottlenecks.

    Its tensors are called `parts.<number>.<name in the part>`.

    Source: He et al. 2021, arXiv:2110.04366 (`mam`); Mao et al. 2022, arXiv:2110.07577 (`unipelt`).
    """

    kind = "union"
    Config = UnionConfig
    presets = _PRESETS
    config: UnionConfig

    def __init__(self, config: UnionConfig, shape: EncoderShape) -> None:
        """Builds all parts with fresh weights.

        Args:
            config: Of the parts.
            shape: The sizes of the encoder it will be used with.

        Raises:
            ConfigError: A part does not fit that encoder, or stands beside it or over others.
        """
        super().__init__(config, shape)
        parts = [_built(part, shape) for part in config.parts]
        self.parts = nn.ModuleList(parts)
        self._taps = tuple(
            stacked([part.taps(layer) for part in parts]) for layer in range(shape.n_layers)
        )
        # in a tuple: torch would register the only tap of one part a second time
        self._embeddings = (stacked_embeddings([part.embeddings_tap() for part in parts]),)

    @property
    def is_per_token(self) -> bool:
        """See the base class, and that of every part."""
        return all(part.is_per_token for part in self._own())

    def taps(self, layer: int) -> LayerTaps:
        """Those of all parts."""
        return self._taps[layer]

    def embeddings_tap(self) -> EmbeddingsTap | None:
        """Those of all parts."""
        return self._embeddings[0]

    def initialise(self, encoder: EncoderView) -> None:
        """Of each part."""
        for part in self._own():
            part.initialise(encoder)

    def penalty(self) -> Tensor | None:
        """The sum of the parts' penalties. Shape: ()."""
        found = [penalty for part in self._own() if (penalty := part.penalty()) is not None]
        return torch.stack(found).sum() if found else None

    def merged(self, layer: int, site: str, projection: Projection) -> Projection | None:
        """The linear layer with every part merged, if each can be."""
        merged: Projection | None = projection
        for part in self._own():
            if merged is None:
                return None
            merged = part.merged(layer, site, merged)
        return merged

    def neutral(self, weight: str) -> float:
        """As the part says that has the weight."""
        _, number, name = weight.split(".", maxsplit=2)
        return self._own()[int(number)].neutral(name)

    def why_no_sum(self, shares: Sequence[float]) -> str | None:
        """The first part's reason that has one."""
        reasons = (part.why_no_sum(shares) for part in self._own())
        return next((reason for reason in reasons if reason is not None), None)

    def _own(self) -> list[Adapter]:
        return list(self.parts)  # type: ignore[arg-type]  # adapters, as __init__ put them there


def _built(config: AdapterConfig, shape: EncoderShape) -> Adapter:
    cls = registry().adapter_for(config)
    if issubclass(cls, SideAdapter | FusingAdapter):
        raise ConfigError(
            f"an adapter of kind {cls.kind!r} cannot be part of a union: it does not act inside "
            "the encoder by itself."
        )
    return cls(config, shape)
