"""AdapterFusion of the `adapters` library."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from polyhead.convert.adapterhub.adapter_map import AdapterMap, Place, layer_key
from polyhead.convert.adapterhub.keys import layers_in
from polyhead.convert.json_files import no_others
from polyhead.errors import ArtifactError, ConversionError

if TYPE_CHECKING:
    from polyhead.contracts import EncoderShape
    from polyhead.convert.adapterhub.files import Part

__all__ = ["FusionMap", "acting_places"]

_SHARED: Final = (
    "key",
    "query",
    "value",
    "query_before_ln",
    "regularization",
    "residual_before",
    "temperature",
    "value_before_softmax",
    "value_initialized",
    "dropout_prob",
)
_SITES: Final = {"attention": "attention_adapters", "ffn": "output_adapters"}


class FusionMap(AdapterMap):
    """The kind `fusion`; where it acts, its tensors tell."""

    kind = "fusion"

    def fields_in(self, theirs: Mapping[str, Any], part: Part) -> dict[str, Any]:
        """See AdapterMap; `adapters`, `sites` and `leave_out` are not among them."""
        no_others(theirs, _SHARED, part.source)
        fields = {name: theirs[name] for name in _SHARED if name in theirs}
        if fields.get("temperature"):
            raise ConversionError(
                f"{part.source} has a temperature, which falls with every pass and is not in the "
                "file; set it to false there for the one that it ends at, 1."
            )
        if not fields.get("value", True):  # what they say of the values' matrix has no effect
            fields["regularization"] = fields["value_initialized"] = False
        fields["value_initialized"] = bool(fields.get("value_initialized", True))
        return fields

    def fields_out(self, config: Any) -> dict[str, Any]:
        """See AdapterMap."""
        if config.temperature:
            raise ConversionError(
                "the adapters library starts a fusion's temperature anew whenever it is loaded, "
                "so one with temperature=True has no equal there."
            )
        fields = config.model_dump(mode="json")
        return {name: fields[name] for name in _SHARED}

    def place(self, name: str, config: Any, shape: EncoderShape) -> Place:
        """See AdapterMap."""
        del config, shape
        site, layer, rest = name.split(".", 2)
        rest = "value.weight" if rest == "value" else rest
        return Place((layer_key(layer, f"{_SITES[site]}.adapter_fusion_layer.*.{rest}"),))


def acting_places(
    found: Mapping[str, object], shape: EncoderShape, part: Part
) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """The sites that a fusion's tensors are for, and the layers that they leave out.

    Raises:
        ArtifactError: There are none.
    """
    sites = tuple(site for site, key in _SITES.items() if any(f".{key}." in name for name in found))
    if not sites:
        raise ArtifactError(f"{part.source} holds no weights of the fusion that it names.")
    return sites, tuple(sorted(set(range(shape.n_layers)) - layers_in(found)))
