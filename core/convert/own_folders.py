"""polyhead's own files as one format among others."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from polyhead.artifact import (
    ADAPTER_FILE,
    HEAD_FILE,
    TASK_FILE,
    read_manifest,
    read_task_manifest,
)
from polyhead.composition import AdapterSetup, Block
from polyhead.contracts import Adapter, Head
from polyhead.convert.adding import add_bundle
from polyhead.convert.bundle import AdapterPart, Bundle, HeadPart
from polyhead.convert.format import Format
from polyhead.errors import ArtifactError, ConversionError
from polyhead.model import UNSET, DistilBertModelWithHeads

if TYPE_CHECKING:
    from torch import Tensor, nn

    from polyhead.convert.format import WeightFile

__all__ = ["POLYHEAD", "backbone_named_in", "bundle_of"]

_PARTS: Final = (ADAPTER_FILE, HEAD_FILE)
_MOST_FOLDERS: Final = 1_000


def backbone_named_in(folder: Path) -> str:
    """What the encoder is called that a folder of ours belongs to.

    Raises:
        ArtifactError: It is none of ours, or is damaged.
    """
    for place in _places(folder):
        if (place / TASK_FILE).is_file():
            return read_task_manifest(place / TASK_FILE).backbone.name
        for name in _PARTS:
            if (place / name).is_file():
                return read_manifest(place / name).backbone.name
    raise ArtifactError(f"{folder} holds no task, adapter or head of polyhead.")


def _places(folder: Path) -> list[Path]:
    """The folder itself where it holds parts, else those inside it that do."""
    if any((folder / name).is_file() for name in (TASK_FILE, *_PARTS)):
        return [folder]
    inside = sorted(islice((place for place in folder.iterdir() if place.is_dir()), _MOST_FOLDERS))
    return [
        place for place in inside if any((place / name).is_file() for name in (TASK_FILE, *_PARTS))
    ]


def bundle_of(
    model: DistilBertModelWithHeads,
    adapters: tuple[str, ...],
    heads: Mapping[str, AdapterSetup | object],
    composition: AdapterSetup = None,
) -> Bundle:
    """Parts of a model as a bundle.

    Args:
        model: It has them.
        adapters: Names; those that a fusion puts together before it.
        heads: For each name, the adapter that the head belongs to, or UNSET.
        composition: How the adapters are used together.
    """
    return Bundle(
        tuple(_adapter_part(name, model.adapters[name]) for name in adapters),
        tuple(_head_part(name, model.heads[name], own) for name, own in heads.items()),
        composition,
    )


def _adapter_part(name: str, adapter: Adapter) -> AdapterPart:
    return AdapterPart(name, adapter.config, _tensors(adapter))


def _head_part(name: str, head: Head, adapter: AdapterSetup | object) -> HeadPart:
    return HeadPart(name, head.config, _tensors(head), adapter)  # type: ignore[arg-type]  # UNSET or a setup


def _tensors(module: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().cpu() for name, value in module.state_dict().items()}


def _recognises(folder: Path) -> bool:
    try:
        backbone_named_in(folder)
    except (ArtifactError, OSError):
        return (folder / TASK_FILE).is_file()
    return True


def _read(folder: Path, model: DistilBertModelWithHeads, name: str | None) -> Bundle:
    places = _places(folder)
    if not places:
        raise ArtifactError(f"{folder} holds no task, adapter or head of polyhead.")
    if len(places) > 1 and name is not None:
        raise ConversionError(
            f"{folder} holds several parts, and one name cannot be that of all: leave it out, or "
            "convert one folder of it at a time."
        )
    scratch = _scratch(model)
    for place in sorted(places, key=_is_fusion):  # what is fused has to be there first
        if not (place / TASK_FILE).is_file():
            _load_parts(place, scratch, name)
        else:
            scratch.load_task(place, name=name)
    heads: dict[str, AdapterSetup | object] = {
        task.head: task.adapter for task in scratch.tasks.values()
    }
    for head in scratch.heads:
        heads.setdefault(head, head if head in scratch.adapters else UNSET)
    setups = [task.adapter for task in scratch.tasks.values() if isinstance(task.adapter, Block)]
    adapters = _fused_first(scratch, tuple(scratch.adapters))
    return bundle_of(scratch, adapters, heads, setups[0] if len(setups) == 1 else None)


def _load_parts(place: Path, scratch: DistilBertModelWithHeads, name: str | None) -> None:
    if (place / ADAPTER_FILE).is_file():
        scratch.load_adapter(place, name=name)
    if (place / HEAD_FILE).is_file():
        scratch.load_head(place, name=name)


def _is_fusion(place: Path) -> bool:
    if not (place / ADAPTER_FILE).is_file():
        return False
    manifest = read_manifest(place / ADAPTER_FILE)
    return "adapters" in manifest.config


def _fused_first(model: DistilBertModelWithHeads, names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted(names, key=lambda name: name in model.adapter_table.fusions))


def _write(
    bundle: Bundle, model: DistilBertModelWithHeads, weights: WeightFile | None
) -> Mapping[str, bytes]:
    if weights == "bin":
        raise ConversionError("polyhead writes safetensors alone.")
    scratch = _scratch(model)
    add_bundle(scratch, bundle)
    used = {name for task in scratch.tasks.values() for name in scratch.adapters_of(task.adapter)}
    loose = [part.name for part in bundle.adapters if part.name not in used]
    heads = [part.name for part in bundle.heads if part.name not in scratch.tasks]
    n_places = len(scratch.tasks) + len({*loose, *heads})
    with TemporaryDirectory() as made:
        root = Path(made)

        def place(name: str) -> Path:
            return root if n_places == 1 else root / name

        for name in scratch.tasks:
            scratch.save_task(name, place(name), overwrite=True)
        for name in loose:
            scratch.save_adapter(name, place(name))
        for name in heads:
            scratch.save_head(name, place(name))
        return {
            file.relative_to(root).as_posix(): file.read_bytes()
            for file in sorted(root.rglob("*"))
            if file.is_file()
        }


def _scratch(model: DistilBertModelWithHeads) -> DistilBertModelWithHeads:
    """A model of its own on the same encoder, which nothing writes."""
    return DistilBertModelWithHeads(model.encoder, model.tokenizer, model.backbone.name)


POLYHEAD = Format(
    name="polyhead",
    what="a folder of polyhead",
    recognises=_recognises,
    read=_read,
    write=_write,
)
