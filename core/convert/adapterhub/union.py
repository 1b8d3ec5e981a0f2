"""Unions of the `adapters` library, such as Mix-And-Match and UniPELT."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import combinations
from typing import TYPE_CHECKING, Any

from polyhead.contracts import AdapterConfig
from polyhead.convert.adapterhub.adapter_map import AdapterMap, Place
from polyhead.convert.checking import adapter_config
from polyhead.convert.json_files import field, no_others
from polyhead.errors import ArtifactError, ConversionError

if TYPE_CHECKING:
    from torch import Tensor

    from polyhead.contracts import EncoderShape
    from polyhead.convert.adapterhub.files import Part

__all__ = ["UnionMap"]

_MOST_PARTS = 16


class UnionMap(AdapterMap):
    """The kind `union`, whose parts are mapped each by its own map."""

    kind = "union"

    def __init__(
        self,
        map_in: Callable[[Mapping[str, Any], Part], AdapterMap],
        map_out: Callable[[AdapterConfig], AdapterMap],
    ) -> None:
        """Makes the map.

        Args:
            map_in: Finds the map of a part from its config there.
            map_out: Likewise from its config here.
        """
        self._map_in = map_in
        self._map_out = map_out

    def fields_in(self, theirs: Mapping[str, Any], part: Part) -> dict[str, Any]:
        """See AdapterMap."""
        no_others(theirs, ("architecture", "configs"), part.source)
        parts = []
        for each in _configs(theirs, part):
            mapping = self._map_in(each, part)
            parts.append(adapter_config(mapping.kind, mapping.fields_in(each, part), part.source))
        return {"parts": tuple(parts)}

    def notes(self, theirs: Mapping[str, Any], part: Part) -> tuple[str, ...]:
        """See AdapterMap."""
        return tuple(
            note
            for each in _configs(theirs, part)
            for note in self._map_in(each, part).notes(each, part)
        )

    def fields_out(self, config: Any) -> dict[str, Any]:
        """See AdapterMap."""
        written = [self._map_out(part).fields_out(part) for part in config.parts]
        for one, other in combinations(written, 2):
            if one.get("architecture") == other.get("architecture") and not _may_meet(one, other):
                raise ConversionError(
                    "the adapters library has no union of two adapters of one architecture, "
                    f"{one.get('architecture') or 'bottleneck'}."
                )
        return {"architecture": "union", "configs": written}

    def place(self, name: str, config: Any, shape: EncoderShape) -> Place:
        """See AdapterMap."""
        _, number, rest = name.split(".", 2)
        own = config.parts[int(number)]
        return self._map_out(own).place(rest, own, shape)

    def tensors_in(
        self,
        found: dict[str, Tensor],
        config: Any,
        shape: EncoderShape,
        theirs: Mapping[str, Any],
        part: Part,
    ) -> dict[str, Tensor]:
        """See AdapterMap."""
        tensors: dict[str, Tensor] = {}
        pairs = zip(config.parts, _configs(theirs, part), strict=True)
        for number, (own, each) in enumerate(pairs):
            taken = self._map_out(own).tensors_in(found, own, shape, each, part)
            tensors |= {f"parts.{number}.{name}": tensor for name, tensor in taken.items()}
        return tensors

    def tensors_out(
        self, tensors: Mapping[str, Tensor], config: Any, shape: EncoderShape
    ) -> dict[str, Tensor]:
        """See AdapterMap."""
        written: dict[str, Tensor] = {}
        for number, own in enumerate(config.parts):
            front = f"parts.{number}."
            held = {
                name.removeprefix(front): tensor
                for name, tensor in tensors.items()
                if name.startswith(front)
            }
            written |= self._map_out(own).tensors_out(held, own, shape)
        return written


def _configs(theirs: Mapping[str, Any], part: Part) -> list[dict[str, Any]]:
    configs = field(theirs, "configs", list, part.source)
    if not 0 < len(configs) <= _MOST_PARTS or not all(isinstance(each, dict) for each in configs):
        raise ArtifactError(
            f"{part.source} is a union of {len(configs)} parts, or of other things."
        )
    if any(each.get("architecture") == "union" for each in configs):
        raise ConversionError(f"{part.source} is a union of unions.")
    return configs


def _may_meet(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two bottlenecks stand at different places."""
    return "mh_adapter" in one and all(
        one[site] != other[site] for site in ("mh_adapter", "output_adapter")
    )
