"""Folders that PEFT wrote, read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from polyhead.convert.bundle import Bundle
from polyhead.convert.json_files import read_json
from polyhead.convert.naming import chosen_name
from polyhead.convert.peft.config import CONFIG_FILE, read_config
from polyhead.convert.peft.found import FoundTensors
from polyhead.convert.peft.heads import read_head
from polyhead.convert.peft.ia3 import ia3_part
from polyhead.convert.peft.lora import lora_part
from polyhead.convert.weight_files import most_bytes, read_weights
from polyhead.errors import ArtifactError, PolyheadError, listing

if TYPE_CHECKING:
    from polyhead.model import DistilBertModelWithHeads

__all__ = ["read", "recognises"]

_WEIGHT_FILES: Final = ("adapter_model.safetensors", "adapter_model.bin")
_MOST_SUBFOLDERS: Final = 1000
_READERS: Final = {"LORA": lora_part, "IA3": ia3_part}


def recognises(folder: Path) -> bool:
    """Whether a folder, or one right inside it, holds a configuration of PEFT."""
    return _is_one(folder) or bool(_subfolders(folder))


def read(folder: Path, model: DistilBertModelWithHeads, name: str | None) -> Bundle:
    """The adapters and heads in a folder of PEFT.

    The adapter that PEFT calls "default" lies in the folder itself, any other in a folder of its
    name inside it. Where there is a default one, it alone is read.

    Args:
        folder: Where PEFT saved to.
        model: What they are for; it stays as it is.
        name: What to call the adapter and its head; the folder's name when None.

    Raises:
        ArtifactError: Something is damaged or does not fit the model.
        ConversionError: Something has no equal here; the message names it.
        InvalidNameError: The folder's name cannot be a name.
    """
    inside = _subfolders(folder)
    if _is_one(folder):
        bundle = _read_one(folder, model, name)
        if not inside:
            return bundle
        others = listing([each.name[:60] for each in inside])
        note = f"The folder holds other adapters, which were left out: {others}."
        return Bundle(bundle.adapters, bundle.heads, None, (*bundle.notes, note))
    if not inside:
        raise ArtifactError(f"{folder} holds no {CONFIG_FILE} of PEFT.")
    if name is not None and len(inside) > 1:
        raise ArtifactError(
            f"{folder} holds several adapters, {listing([each.name[:60] for each in inside])}, "
            "which cannot all get one name; name the folder of one of them."
        )
    bundles = [_read_one(each, model, name) for each in inside]
    return Bundle(
        sum((bundle.adapters for bundle in bundles), ()),
        sum((bundle.heads for bundle in bundles), ()),
        None,
        tuple(dict.fromkeys(note for bundle in bundles for note in bundle.notes)),
    )


def _read_one(folder: Path, model: DistilBertModelWithHeads, name: str | None) -> Bundle:
    config = read_config(folder)
    name = chosen_name(name, folder.resolve().name, "adapter", folder)
    path = next((folder / file for file in _WEIGHT_FILES if (folder / file).is_file()), None)
    if path is None:
        raise ArtifactError(f"{folder} holds neither {' nor '.join(_WEIGHT_FILES)}.")
    tensors = read_weights(path, most_bytes(model))
    found = FoundTensors.sort(tensors, path, model)
    adapter, notes = _READERS[config.method](name, config, found, model)
    head, more = read_head(name, folder, config, found, model)
    heads = () if head is None else (head,)
    return Bundle((adapter,), heads, None, (*config.notes, *found.notes, *notes, *more))


def _is_one(folder: Path) -> bool:
    """Whether the folder itself holds a configuration of PEFT."""
    path = folder / CONFIG_FILE
    try:
        return os.path.isfile(path) and "peft_type" in read_json(path)  # noqa: PTH113 - never raises
    except PolyheadError:
        return False


def _subfolders(folder: Path) -> list[Path]:
    """The folders right inside that hold one, sorted by name; none where there are too many."""
    try:
        names = sorted(os.listdir(folder))  # noqa: PTH208 - names alone are sorted
    except OSError:
        return []
    if len(names) > _MOST_SUBFOLDERS:
        return []
    inside = [folder / each for each in names if not each.startswith(".")]
    return [each for each in inside if os.path.isdir(each) and _is_one(each)]  # noqa: PTH112
