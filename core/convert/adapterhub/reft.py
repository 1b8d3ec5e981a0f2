"""ReFT of the `adapters` library, which keeps orthogonal projections as torch does."""

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
from polyhead.errors import ConversionError, shown
from polyhead.registry import registry

if TYPE_CHECKING:
    from torch import Tensor

    from polyhead.contracts import EncoderShape
    from polyhead.convert.adapterhub.files import Part

__all__ = ["ReftMap"]

_SHARED: Final = (
    "layers",
    "prefix_positions",
    "suffix_positions",
    "r",
    "orthogonality",
    "tied_weights",
    "subtract_projection",
    "dropout",
    "non_linearity",
    "init_weights_seed",
)
_UNITS: Final = {"prefix": 0, "tied": 0, "suffix": 1}
_PROJECTION: Final = "projection.parametrizations.weight."
_PARAMETRISED: Final = ("original", "0.base")


class ReftMap(AdapterMap):
    """The kind `reft`."""

    kind = "reft"

    def fields_in(self, theirs: Mapping[str, Any], part: Part) -> dict[str, Any]:
        """See AdapterMap."""
        no_others(theirs, {*_SHARED, "architecture", "dtype", "output_reft"}, part.source)
        if theirs.get("dtype") not in {None, "float32"}:
            raise ConversionError(
                f"{part.source} asks for dtype {shown(theirs['dtype'])}, not float32."
            )
        if theirs.get("output_reft", True) is not True:
            raise ConversionError(f"{part.source} has no output_reft, and so acts nowhere.")
        return {name: theirs[name] for name in _SHARED if name in theirs}

    def notes(self, theirs: Mapping[str, Any], part: Part) -> tuple[str, ...]:
        """See AdapterMap."""
        if theirs.get("orthogonality") or "subtract_projection" in theirs:
            return ()
        note = (
            "does not tell NoReFT from DiReFT, and is read as NoReFT, as that library itself reads "
            'it; if it was trained as DiReFT, put "subtract_projection": false into its config and '
            "convert it again."
        )
        return (f"{part.source} {note}",)

    def fields_out(self, config: Any) -> dict[str, Any]:
        """See AdapterMap.

        The library forgets `subtract_projection` when it saves, and does not heed it in a file. So
        what goes without is written as what does the same with it, which there is where nothing
        stands between the two projections.
        """
        if not (config.subtract_projection or _is_linear(config)):
            raise ConversionError(
                "the adapters library loads no ReFT with subtract_projection=False; this one has "
                f"non_linearity={config.non_linearity!r} and cannot be written otherwise."
            )
        fields = config.model_dump(mode="json")
        if fields["layers"] is None:
            fields["layers"] = "all"
        del fields["subtract_projection"]
        return {"architecture": "reft", "dtype": None, "output_reft": True, **fields}

    def place(self, name: str, config: Any, shape: EncoderShape) -> Place:
        """See AdapterMap; of a projection that is not kept orthogonal."""
        del config, shape
        _, layer, unit, rest = name.split(".", 3)
        rest = rest.replace("source.", "learned_source.")
        rest = "projection.weight" if rest == "projection" else rest
        return Place((_unit_key(layer, _UNITS[unit], rest),))

    def tensors_in(
        self,
        found: dict[str, Tensor],
        config: Any,
        shape: EncoderShape,
        theirs: Mapping[str, Any],
        part: Part,
    ) -> dict[str, Tensor]:
        """See AdapterMap. A unit without positions has weights there, and none here."""
        del theirs
        expected = expected_tensors(config, shape, part.source)
        wanted = [_unit_key(name.split(".")[1], 0, "") for name in expected]
        check_depth(found, wanted, shape, part)
        tensors = {}
        for name, like in expected.items():
            if config.orthogonality and name.endswith(".projection"):
                tensors[name] = self._orthogonal_in(found, name, like, part)
            else:
                tensors[name] = taken(found, self.place(name, config, shape), like, part.source)
        if not config.tied_weights:
            for unit in {0, 1} - {_UNITS[name] for name in config.units}:
                for layer in config.layers_of(shape):
                    front = _unit_key(layer, unit, "")
                    for key in [key for key in found if key.startswith(front)]:
                        del found[key]
        return tensors

    def _orthogonal_in(
        self, found: dict[str, Tensor], name: str, like: Tensor, part: Part
    ) -> Tensor:
        """One projection out of the two tensors that torch keeps of it."""
        _, layer, unit, _ = name.split(".", 3)
        width = like.shape[1]
        wanted = (like, torch.empty(width, width, device="meta"))
        pair = [
            taken(
                found,
                Place((_unit_key(layer, _UNITS[unit], _PROJECTION + which),)),
                size,
                part.source,
            )
            for which, size in zip(_PARAMETRISED, wanted, strict=True)
        ]
        try:
            rows: Tensor = registry().adapter(self.kind).projection_of(*pair)  # type: ignore[attr-defined]
        except ConversionError as error:
            raise ConversionError(f"{part.source}: {error}") from None
        return rows

    def tensors_out(
        self, tensors: Mapping[str, Tensor], config: Any, shape: EncoderShape
    ) -> dict[str, Tensor]:
        """See AdapterMap. A unit without positions is written too: the library has one."""
        cls: Any = registry().adapter(self.kind)
        with torch.random.fork_rng(devices=[]):  # fresh weights are drawn only to be replaced
            module = cls(config, shape)
        module.load_state_dict(dict(tensors))
        written: dict[str, Tensor] = {}
        for layer in config.layers_of(shape):
            site = module.output[str(layer)]
            units = {_UNITS[name]: site.get_submodule(name) for name in config.units}
            for number in range(1 if config.tied_weights else 2):
                for key, tensor in _unit_out(cls, units.get(number), config, shape).items():
                    written[_unit_key(layer, number, key)] = tensor
        return written


def _unit_out(cls: Any, unit: Any, config: Any, shape: EncoderShape) -> dict[str, Tensor]:
    """The tensors there of one unit; of one that has no positions, something harmless."""
    rows = torch.eye(config.r, shape.width) if unit is None else unit.directions().detach()
    weight = torch.zeros(config.r, shape.width) if unit is None else unit.source.weight.detach()
    bias = torch.zeros(config.r) if unit is None else unit.source.bias.detach()
    if not config.subtract_projection:
        weight = weight + rows  # W x is (W + P) x - P x
    tensors = {"learned_source.weight": weight, "learned_source.bias": bias}
    if not config.orthogonality:
        return {**tensors, "projection.weight": rows}
    pair = zip(_PARAMETRISED, cls.parametrization_of(rows), strict=True)
    return tensors | {_PROJECTION + which: tensor for which, tensor in pair}


def _is_linear(config: Any) -> bool:
    return config.non_linearity in {None, "linear"}


def _unit_key(layer: int | str, unit: int, rest: str) -> str:
    return layer_key(layer, f"reft_layer.refts.*.units.{unit}.{rest}")
