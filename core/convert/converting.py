"""From another library's folder to ours, back, and straight into a model."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from polyhead.artifact import write_folder
from polyhead.composition import Block, names_of
from polyhead.convert.adding import Added, add_bundle
from polyhead.convert.bundle import Bundle
from polyhead.convert.formats import format_called, format_of
from polyhead.convert.own_folders import POLYHEAD, backbone_named_in, bundle_of
from polyhead.errors import ConversionError, InputError, OutputExistsError, UnknownHeadError
from polyhead.model import UNSET, DistilBertModelWithHeads

if TYPE_CHECKING:
    from polyhead.composition import AdapterSetup
    from polyhead.convert.format import WeightFile

__all__ = ["Converted", "convert_folder", "load_foreign", "read_foreign", "save_foreign"]


@dataclass(frozen=True)
class Converted:
    """What was written.

    Attributes:
        folder: Where it lies.
        source_format: What it was.
        target_format: What it is now.
        adapters: The names of its adapters.
        heads: Those of its heads.
        files: Its files, by their paths inside the folder.
        notes: What a user should know, a sentence each.
    """

    folder: Path
    source_format: str
    target_format: str
    adapters: tuple[str, ...]
    heads: tuple[str, ...]
    files: tuple[str, ...]
    notes: tuple[str, ...]


def convert_folder(
    source: str | Path,
    folder: str | Path,
    *,
    backbone: str | Path | DistilBertModelWithHeads | None = None,
    source_format: str | None = None,
    target_format: str = "polyhead",
    name: str | None = None,
    weights: WeightFile | None = None,
    overwrite: bool = False,
) -> Converted:
    """Writes in one library's format what lies in another's.

    Hidden states and answers stay the same, to rounding; what has no exact equal is refused.

    Args:
        source: The folder to be read.
        folder: Where to; written as a whole or not at all.
        backbone: The encoder that it was trained on: a checkpoint folder, named backbone or hub id,
            or a model on it. When None, the one that a folder of polyhead names.
        source_format: "polyhead", "adapterhub", "peft" or "transformers"; found by looking when
            None.
        target_format: One of the same.
        name: What to call the adapter and the head; their names in the source when None.
        weights: "bin" or "safetensors"; the usual one of that library when None.
        overwrite: Whether files in `folder` may be replaced by those of the same names.

    Raises:
        ArtifactError: The source is damaged, or belongs to another encoder.
        ConversionError: Something has no exact equal in that format.
        OutputExistsError: There is something at `folder`.
        WriteError: It could not be written; nothing was changed.
    """
    place, target = Path(source), Path(folder)
    found, wanted = format_of(place, source_format), format_called(target_format)
    model = _model_on(backbone, place, is_own=found is POLYHEAD)
    bundle = found.read(place, model, name)
    if not (bundle.adapters or bundle.heads):
        raise ConversionError(f"{place} holds neither an adapter nor a head.")
    files = wanted.write(bundle, model, weights)
    _check_target(target, files, overwrite=overwrite)
    write_folder(target, files)
    return Converted(
        target,
        found.name,
        wanted.name,
        tuple(part.name for part in bundle.adapters),
        tuple(part.name for part in bundle.heads),
        tuple(files),
        bundle.notes,
    )


def read_foreign(
    source: str | Path,
    model: DistilBertModelWithHeads,
    *,
    source_format: str | None = None,
    name: str | None = None,
) -> Bundle:
    """What lies in a folder of any library, checked for that model, which stays as it is.

    Args:
        source: The folder.
        model: On the encoder that it was trained on.
        source_format: As in `convert_folder`.
        name: Likewise.

    Raises:
        ArtifactError: The source is damaged, or belongs to another encoder.
        ConversionError: Something has no exact equal here.
    """
    place = Path(source)
    return format_of(place, source_format).read(place, model, name)


def load_foreign(
    model: DistilBertModelWithHeads,
    source: str | Path,
    *,
    source_format: str | None = None,
    name: str | None = None,
) -> Added:
    """Adds to a model what lies in a folder of any library: all of it or nothing.

    A head whose adapter is known becomes a task. The encoder is not touched.

    Args:
        model: On the encoder that the source was trained on.
        source: The folder.
        source_format: As in `convert_folder`.
        name: Likewise.

    Raises:
        ArtifactError: The source is damaged, or belongs to another encoder.
        ConversionError: Something has no exact equal here.
        NameTakenError: The model has something of such a name; give another with `name`.
    """
    return add_bundle(model, read_foreign(source, model, source_format=source_format, name=name))


def save_foreign(
    model: DistilBertModelWithHeads,
    folder: str | Path,
    *,
    target_format: str,
    adapter: AdapterSetup = None,
    heads: Sequence[str] = (),
    weights: WeightFile | None = None,
    overwrite: bool = False,
) -> Converted:
    """Writes parts of a model so that another library loads them.

    Args:
        model: It has them.
        folder: Where to; written as a whole or not at all.
        target_format: "adapterhub", "peft" or "transformers".
        adapter: An adapter's name, or several put together; None for heads alone.
        heads: Heads that belong to it.
        weights: As in `convert_folder`.
        overwrite: Likewise.

    Raises:
        UnknownAdapterError: The model has no adapter of such a name.
        UnknownHeadError: It has no such head.
        ConversionError: Something has no exact equal in that format.
        OutputExistsError: There is something at `folder`.
        WriteError: It could not be written; nothing was changed.
    """
    target, wanted = Path(folder), format_called(target_format)
    parts = model.adapters_of(adapter)
    names = tuple(sorted(parts, key=lambda own: own in model.adapter_table.fusions))
    for head in heads:
        if head not in model.heads:
            raise UnknownHeadError(head, model.heads, "Add one with model.add_head(name, config).")
    is_one = len(names_of(adapter)) <= 1 and not isinstance(adapter, Block)
    bundle = bundle_of(
        model, names, dict.fromkeys(heads, adapter if names else UNSET), None if is_one else adapter
    )
    files = wanted.write(bundle, model, weights)
    _check_target(target, files, overwrite=overwrite)
    write_folder(target, files)
    return Converted(target, "polyhead", wanted.name, names, tuple(heads), tuple(files), ())


def _model_on(
    backbone: str | Path | DistilBertModelWithHeads | None, source: Path, *, is_own: bool
) -> DistilBertModelWithHeads:
    if isinstance(backbone, DistilBertModelWithHeads):
        return backbone
    if backbone is None and not is_own:
        raise InputError(
            f"say on which encoder {source} was trained, with --backbone or backbone=...: a "
            "checkpoint folder, a named backbone or a hub id."
        )
    return DistilBertModelWithHeads.from_pretrained(
        backbone_named_in(source) if backbone is None else backbone
    )


def _check_target(folder: Path, files: Mapping[str, bytes], *, overwrite: bool) -> None:
    """Refuses a place where something lies that would be lost."""
    if not os.path.lexists(folder):
        return
    if not folder.is_dir():
        raise OutputExistsError(f"{folder} exists and is not a folder; choose another place.")
    there = {
        place.relative_to(folder).as_posix() for place in folder.rglob("*") if not place.is_dir()
    }
    if there and not overwrite:
        raise OutputExistsError(f"{folder} exists; choose another place, or ask to overwrite it.")
    others = sorted(there - files.keys())
    if others:
        raise OutputExistsError(
            f"{folder} holds {others[0]!r}, which would be lost; choose another place."
        )
