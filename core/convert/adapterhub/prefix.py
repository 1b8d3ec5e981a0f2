"""Prefix tuning of the `adapters` library.

There, one matrix makes the keys and values of all layers, and every tensor is stored again under
each layer of the encoder.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import torch

from polyhead.convert.adapterhub.adapter_map import (
    AdapterMap,
    Place,
    check_depth,
    layer_key,
    taken,
)
from polyhead.convert.checking import expected_tensors
from polyhead.convert.json_files import no_others

if TYPE_CHECKING:
    from torch import Tensor

    from polyhead.contracts import EncoderShape
    from polyhead.convert.adapterhub.files import Part

__all__ = ["PrefixMap"]

_SHARED: Final = (
    "prefix_length",
    "bottleneck_size",
    "non_linearity",
    "flat",
    "dropout",
    "use_gating",
    "shared_gating",
    "leave_out",
    "init_weights_seed",
)
_OF_OTHER_MODELS: Final = {"encoder_prefix": True, "cross_prefix": True}
_POOL: Final = "prefix_tuning.prefix_tunings.*.self."
_POOL_OF_A_LAYER: Final = "attention.prefix_tuning.pool.prefix_tunings.*.self."
_GATE: Final = "attention.prefix_tuning.prefix_gates.*."
_TRUNK: Final = {
    "trunk.embedding": "wte.weight",
    "trunk.down.weight": "control_trans.0.weight",
    "trunk.down.bias": "control_trans.0.bias",
}
_UP: Final = {"up.weight": "control_trans.2.weight", "up.bias": "control_trans.2.bias"}
_FLAT: Final = "control_trans"


class PrefixMap(AdapterMap):
    """The kind `prefix`."""

    kind = "prefix"

    def fields_in(self, theirs: Mapping[str, Any], part: Part) -> dict[str, Any]:
        """See AdapterMap. What is meant for encoders with a decoder has no effect and is left."""
        no_others(theirs, {*_SHARED, *_OF_OTHER_MODELS, "architecture"}, part.source)
        fields = {name: theirs[name] for name in _SHARED if name in theirs}
        if not fields.get("use_gating"):
            fields.pop("shared_gating", None)  # there are no gates to be shared
        if fields.get("leave_out", ()) is None:
            del fields["leave_out"]
        return fields

    def fields_out(self, config: Any) -> dict[str, Any]:
        """See AdapterMap."""
        fields = config.model_dump(mode="json")
        return {"architecture": "prefix_tuning", **_OF_OTHER_MODELS, **fields}

    def place(self, name: str, config: Any, shape: EncoderShape) -> Place:
        """See AdapterMap; for what a layer has of its own, its gate."""
        del config, shape
        if name in _TRUNK:
            return Place((_POOL + _TRUNK[name],))
        _, layer, _, rest = name.split(".", 3)
        return Place((layer_key(layer, _GATE + rest),))

    def tensors_in(
        self,
        found: dict[str, Tensor],
        config: Any,
        shape: EncoderShape,
        theirs: Mapping[str, Any],
        part: Part,
    ) -> dict[str, Tensor]:
        """See AdapterMap; the joint matrix is cut up, and repeated tensors are compared."""
        del theirs
        expected = expected_tensors(config, shape, part.source)
        check_depth(found, [], shape, part)
        _drop_repeated(found, shape, part)
        layers = config.layers(shape)
        tensors: dict[str, Tensor] = {}
        for name, like in expected.items():
            if ".up." not in name and not name.endswith((".keys", ".values")):
                tensors[name] = taken(found, self.place(name, config, shape), like, part.source)
        if config.flat:
            size = (config.prefix_length * len(layers) * 2 * shape.width,)
            joint = taken(
                found, Place((_POOL + _FLAT,)), torch.empty(size, device="meta"), part.source
            )
            cut = joint.view(config.prefix_length, len(layers), 2, shape.width)
            for place, layer in enumerate(layers):
                tensors[f"prefix.{layer}.keys"] = cut[:, place, 0].clone()
                tensors[f"prefix.{layer}.values"] = cut[:, place, 1].clone()
            return tensors
        for own, key in _UP.items():
            one = expected[f"prefix.{layers[0]}.{own}"]
            size = (len(layers) * one.shape[0], *one.shape[1:])
            joint = taken(
                found, Place((_POOL + key,)), torch.empty(size, device="meta"), part.source
            )
            for layer, rows in zip(layers, joint.chunk(len(layers)), strict=True):
                tensors[f"prefix.{layer}.{own}"] = rows.clone()
        return tensors

    def tensors_out(
        self, tensors: Mapping[str, Tensor], config: Any, shape: EncoderShape
    ) -> dict[str, Tensor]:
        """See AdapterMap."""
        layers = config.layers(shape)
        pool: dict[str, Tensor] = {}
        gates: dict[str, Tensor] = {}
        for name, tensor in tensors.items():
            if name in _TRUNK:
                pool[_TRUNK[name]] = tensor
            elif ".gate." in name:
                gates[self.place(name, config, shape).keys[0]] = tensor
        if config.flat:
            pairs = [
                torch.stack([tensors[f"prefix.{layer}.keys"], tensors[f"prefix.{layer}.values"]], 1)
                for layer in layers
            ]
            pool[_FLAT] = torch.stack(pairs, 1).reshape(-1)
        else:
            for own, key in _UP.items():
                pool[key] = torch.cat([tensors[f"prefix.{layer}.{own}"] for layer in layers])
        repeated = {
            layer_key(layer, _POOL_OF_A_LAYER + key): tensor
            for layer in range(shape.n_layers)
            for key, tensor in pool.items()
        }
        return {**{_POOL + key: tensor for key, tensor in pool.items()}, **gates, **repeated}


def _drop_repeated(found: dict[str, Tensor], shape: EncoderShape, part: Part) -> None:
    """Takes out what is stored again under each layer, once it is seen to be the same."""
    for key in [key for key in found if key.startswith(_POOL)]:
        for layer in range(shape.n_layers):
            again = layer_key(layer, _POOL_OF_A_LAYER + key.removeprefix(_POOL))
            if again in found:
                # refuses where they differ, and takes out both
                found[key] = taken(found, Place((key, again)), found[key], part.source)
