"""Which of our kinds stands for which architecture of the `adapters` library."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from polyhead.convert.adapterhub.adapter_map import AdapterMap
from polyhead.convert.adapterhub.bottleneck import BottleneckMap
from polyhead.convert.adapterhub.fusion import FusionMap
from polyhead.convert.adapterhub.lora import Ia3Map, LoraMap
from polyhead.convert.adapterhub.prefix import PrefixMap
from polyhead.convert.adapterhub.prompt import PromptMap
from polyhead.convert.adapterhub.reft import ReftMap
from polyhead.convert.adapterhub.union import UnionMap
from polyhead.errors import ConversionError, shown
from polyhead.registry import registry

if TYPE_CHECKING:
    from polyhead.contracts import AdapterConfig
    from polyhead.convert.adapterhub.files import Part

__all__ = ["FUSION_MAP", "map_in", "map_out"]

FUSION_MAP: Final = FusionMap()

_ARCHITECTURES: Final = {
    None: "bottleneck",
    "bottleneck": "bottleneck",
    "prefix_tuning": "prefix",
    "prompt_tuning": "prompt",
    "reft": "reft",
    "union": "union",
}


def map_in(theirs: Mapping[str, Any], part: Part) -> AdapterMap:
    """The map for a config there.

    Raises:
        ConversionError: There is no such kind here.
    """
    architecture = theirs.get("architecture")
    if architecture == "lora":
        return _MAPS["ia3" if theirs.get("composition_mode") == "scale" else "lora"]
    if isinstance(architecture, str | None) and architecture in _ARCHITECTURES:
        return _MAPS[_ARCHITECTURES[architecture]]
    if architecture == "mtl_lora":
        raise ConversionError(
            f"{part.source} is an MTL-LoRA adapter, a kind that there is not here."
        )
    raise ConversionError(
        f"{part.source} is an adapter of architecture {shown(architecture)}, which is not known "
        "here; known are: bottleneck, lora, prefix_tuning, prompt_tuning, reft, union."
    )


def map_out(config: AdapterConfig) -> AdapterMap:
    """The map for a config of ours.

    Raises:
        ConversionError: There is no such kind there.
    """
    kind = registry().adapter_for(config).kind
    if kind not in _MAPS:
        raise ConversionError(
            f"the adapters library has no adapter like {kind!r}; those that have an equal there "
            f"are: {', '.join((*_MAPS, FUSION_MAP.kind))}."
        )
    return _MAPS[kind]


_MAPS: Final[Mapping[str, AdapterMap]] = {
    each.kind: each
    for each in (
        BottleneckMap(),
        LoraMap(),
        Ia3Map(),
        PrefixMap(),
        PromptMap(),
        ReftMap(),
        UnionMap(map_in, map_out),
    )
}
