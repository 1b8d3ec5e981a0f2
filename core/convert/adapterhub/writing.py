"""From a bundle to folders that the `adapters` library loads."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from torch import nn

from polyhead.composition import Fuse
from polyhead.convert.adapterhub.files import (
    ADAPTER,
    FUSION,
    HEAD,
    SETUP_FILE,
    VERSION,
    PartFiles,
    outer_fields,
)
from polyhead.convert.adapterhub.heads_out import head_out
from polyhead.convert.adapterhub.keys import named
from polyhead.convert.adapterhub.kinds import FUSION_MAP, map_out
from polyhead.convert.adapterhub.setups import check_stacks, setup_out
from polyhead.convert.weight_files import weight_bytes
from polyhead.errors import ConversionError
from polyhead.registry import registry

if TYPE_CHECKING:
    from torch import Tensor

    from polyhead.convert.bundle import AdapterPart, Bundle, HeadPart
    from polyhead.convert.format import WeightFile
    from polyhead.model import DistilBertModelWithHeads

__all__ = ["write_folder_files"]

_USUAL: Final = "bin"
"""What the library loads when it is not told otherwise; it fails on a folder without it."""

_NO_NAMES: Final = frozenset(dir(nn.ModuleDict()))
"""Under these the library cannot register anything: it keeps modules in such a dictionary."""


def write_folder_files(
    bundle: Bundle, model: DistilBertModelWithHeads, weights: WeightFile | None
) -> Mapping[str, bytes]:
    """The files of a folder.

    One adapter, with its head, lies in the folder itself. Where there are several, each part has a
    folder of its own, and how they are put together stands in the library's file for that.

    Raises:
        ConversionError: The library has no equal of a part.
    """
    flavour: WeightFile = _USUAL if weights is None else weights
    adapters = [part for part in bundle.adapters if not _is_fusion(part)]
    fusions = [part for part in bundle.adapters if _is_fusion(part)]
    _check_names(bundle)
    files: dict[str, bytes] = {}
    is_alone = len(adapters) <= 1 and not fusions and len(bundle.heads) <= 1
    for part in adapters:
        files |= _adapter_files("" if is_alone else f"{part.name}/", part, model, flavour)
    for part in fusions:
        files |= _fusion_files(f"{_fusion_name(part)}/", part, model, flavour)
    for head in bundle.heads:
        files |= _head_files("" if is_alone else f"{head.name}/", head, model, flavour)
    composition = bundle.composition
    if composition is None and len(fusions) == 1:
        composition = Fuse(*_fused(fusions[0]))
    if composition is not None and not is_alone:
        check_stacks(composition, bundle)
        setup = {
            "adapter_setup": setup_out(composition),
            "head_setup": _head_setup(bundle),
            "version": f"adapters.{VERSION}",
        }
        files[SETUP_FILE] = _json(setup)
    return files


def _is_fusion(part: AdapterPart) -> bool:
    return registry().adapter_for(part.config).kind == FUSION_MAP.kind


def _fused(part: AdapterPart) -> tuple[str, ...]:
    return tuple(part.config.model_dump()["adapters"])


def _fusion_name(part: AdapterPart) -> str:
    """What the library calls a fusion."""
    return ",".join(_fused(part))


def _head_setup(bundle: Bundle) -> object:
    names = [head.name for head in bundle.heads]
    return names[0] if len(names) == 1 else names or None


def _check_names(bundle: Bundle) -> None:
    fusions = [_fusion_name(part) for part in bundle.adapters if _is_fusion(part)]
    if len(set(fusions)) < len(fusions):
        raise ConversionError(
            f"there are two fusions of {fusions[0]}, and the adapters library calls both so."
        )
    names = [part.name for part in bundle.adapters] + [head.name for head in bundle.heads]
    for name in names:
        if name in _NO_NAMES:
            raise ConversionError(
                f"the adapters library cannot load anything called {name!r}; give it another name "
                "first."
            )


def _adapter_files(
    front: str, part: AdapterPart, model: DistilBertModelWithHeads, flavour: WeightFile
) -> dict[str, bytes]:
    mapping = map_out(part.config)
    fields = mapping.fields_out(part.config)
    tensors = mapping.tensors_out(part.tensors, part.config, model.shape)
    outer = {"config": fields, **outer_fields(model, part.name)}
    return _files(front, ADAPTER, outer, _full(tensors, part.name), flavour)


def _fusion_files(
    front: str, part: AdapterPart, model: DistilBertModelWithHeads, flavour: WeightFile
) -> dict[str, bytes]:
    name = _fusion_name(part)
    outer = {
        "adapter_names": list(_fused(part)),
        "config": FUSION_MAP.fields_out(part.config),
        **outer_fields(model, name),
    }
    tensors = FUSION_MAP.tensors_out(part.tensors, part.config, model.shape)
    return _files(front, FUSION, outer, _full(tensors, name), flavour)


def _head_files(
    front: str, part: HeadPart, model: DistilBertModelWithHeads, flavour: WeightFile
) -> dict[str, bytes]:
    fields, tensors = head_out(part.config, part.tensors, model)
    outer = {"config": fields, **outer_fields(model, part.name)}
    full = {f"heads.{part.name}.{name}": tensor for name, tensor in tensors.items()}
    return _files(front, HEAD, outer, full, flavour)


def _full(tensors: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    return {named(key, name): tensor for key, tensor in tensors.items()}


def _files(
    front: str,
    files: PartFiles,
    outer: Mapping[str, Any],
    tensors: Mapping[str, Tensor],
    flavour: WeightFile,
) -> dict[str, bytes]:
    weights = files.bin if flavour == "bin" else files.safetensors
    return {
        front + files.config: _json(outer),
        front + weights: weight_bytes(tensors, flavour),
    }


def _json(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, indent=2, sort_keys=True).encode()
