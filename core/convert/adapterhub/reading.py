"""From folders of the `adapters` library to a bundle."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from polyhead.convert.adapterhub.adapter_map import check_nothing_left
from polyhead.convert.adapterhub.files import ADAPTER, FUSION, HEAD, SETUP_FILE, Part, read_part
from polyhead.convert.adapterhub.fusion import acting_places
from polyhead.convert.adapterhub.heads_in import head_in
from polyhead.convert.adapterhub.keys import adapter_tensors, extra_note
from polyhead.convert.adapterhub.kinds import FUSION_MAP, map_in
from polyhead.convert.adapterhub.setups import setup_in
from polyhead.convert.adapterhub.static_heads import static_head
from polyhead.convert.bundle import AdapterPart, Bundle, HeadPart
from polyhead.convert.checking import adapter_config, checked_adapter, checked_head
from polyhead.convert.json_files import field, read_json
from polyhead.convert.naming import chosen_name, subfolder
from polyhead.errors import ArtifactError, ConversionError, shown
from polyhead.model import UNSET
from polyhead.names import is_name

if TYPE_CHECKING:
    from torch import Tensor

    from polyhead.model import DistilBertModelWithHeads

__all__ = ["read_folder"]

_HEADS: Final = "heads"
_MOST_FOLDERS: Final = 1_000
_LONGEST_NAME: Final = 64


def read_folder(folder: Path, model: DistilBertModelWithHeads, name: str | None) -> Bundle:
    """All that lies in a folder: an adapter with its head, a fusion, a setup, or folders of these.

    Raises:
        ArtifactError: A file is damaged or belongs to another encoder.
        ConversionError: There is no equal here.
        InvalidNameError: A name there cannot be one here, and `name` is None.
    """
    if (folder / SETUP_FILE).is_file():
        return _read_setup(folder, model, name)
    if _has_parts(folder):
        return _read_parts(folder, model, name)
    folders = [place for place in sorted(folder.iterdir()) if place.is_dir() and _has_parts(place)]
    return _read_several(folder, folders, model, name)


def _has_parts(folder: Path) -> bool:
    return any((folder / files.config).is_file() for files in (ADAPTER, HEAD, FUSION))


def _read_parts(folder: Path, model: DistilBertModelWithHeads, name: str | None) -> Bundle:
    """What lies in one folder, without those inside it."""
    notes: list[str] = []
    adapters = []
    heads = []
    if (folder / ADAPTER.config).is_file():
        adapters.append(_read_adapter(folder, model, name, notes))
    if (folder / FUSION.config).is_file():
        adapters.append(_read_fusion(folder, model, None if adapters else name, notes))
    if (folder / HEAD.config).is_file():
        own = adapters[-1].name if adapters else None
        heads.append(_read_head(folder, model, name, own, notes))
    return Bundle(tuple(adapters), tuple(heads), notes=tuple(notes))


def _read_several(
    folder: Path, folders: list[Path], model: DistilBertModelWithHeads, name: str | None
) -> Bundle:
    """What lies in several folders inside one."""
    if not folders or len(folders) > _MOST_FOLDERS:
        raise ArtifactError(f"{folder} holds no adapter, head or fusion, or far too many.")
    if name is not None:
        raise ConversionError(
            f"{folder} holds several parts, and one name cannot be that of all: leave it out, or "
            "convert one folder of it at a time."
        )
    bundles = [_read_parts(place, model, None) for place in folders]
    adapters = [part for bundle in bundles for part in bundle.adapters]
    heads = [part for bundle in bundles for part in bundle.heads]
    for what, parts in (("adapter", adapters), ("head", heads)):
        names = [part.name for part in parts]
        twice = [each for each in names if names.count(each) > 1]
        if twice:
            raise ArtifactError(f"{folder} holds two {what}s called {twice[0]!r}.")
    known = {part.name for part in adapters}
    fused = [part for part in adapters if _fused_by(part)]
    for part in fused:
        missing = sorted(set(_fused_by(part)) - known)
        if missing:
            raise ArtifactError(
                f"{folder} holds the fusion {part.name!r} and lacks its adapter {missing[0]!r}."
            )
    adapters.sort(key=lambda part: bool(_fused_by(part)))
    notes = tuple(note for bundle in bundles for note in bundle.notes)
    return Bundle(tuple(adapters), tuple(heads), notes=notes)


def _fused_by(part: AdapterPart) -> tuple[str, ...]:
    return tuple(getattr(part.config, "adapters", ()))


def _read_setup(folder: Path, model: DistilBertModelWithHeads, name: str | None) -> Bundle:
    source = folder / SETUP_FILE
    outer = read_json(source)
    setup = setup_in(field(outer, "adapter_setup", dict, source), source)
    places = [subfolder(folder, each) for each in (*setup.adapters, *setup.fusions)]
    heads = outer.get("head_setup")
    names = [heads] if isinstance(heads, str) else heads if isinstance(heads, list) else []
    places += [subfolder(folder, each) for each in names]
    bundle = _read_several(folder, list(dict.fromkeys(places)), model, name)
    block = setup.composition(bundle)
    own = names or [head.name for head in bundle.heads]
    parts = tuple(
        replace(head, adapter=block) if own == [head.name] else head for head in bundle.heads
    )
    return Bundle(bundle.adapters, parts, block, bundle.notes)


def _read_adapter(
    folder: Path, model: DistilBertModelWithHeads, name: str | None, notes: list[str]
) -> AdapterPart:
    part = read_part(folder, ADAPTER, model)
    theirs = field(part.outer, "config", dict, part.source)
    found, tensors = _tensors_of(part, notes)
    chosen = chosen_name(name, found, "adapter", part.source)
    mapping = map_in(theirs, part)
    config = adapter_config(mapping.kind, mapping.fields_in(theirs, part), part.source)
    own = mapping.tensors_in(tensors, config, model.shape, theirs, part)
    check_nothing_left(tensors, part.source)
    notes += (*mapping.notes(theirs, part), *_origin_note(part, model))
    return checked_adapter(chosen, config, own, model.shape, part.source)


def _tensors_of(part: Part, notes: list[str]) -> tuple[str, dict[str, Tensor]]:
    """What the part is called there, and its tensors."""
    name = field(part.outer, "name", str, part.source)
    if not name or "." in name:
        raise ArtifactError(f"{part.source} has the name {shown(name)}, which none can have there.")
    tensors, others = adapter_tensors(part.tensors, name, part.source)
    notes += extra_note(part.source, others)
    return name, tensors


def _read_fusion(
    folder: Path, model: DistilBertModelWithHeads, name: str | None, notes: list[str]
) -> AdapterPart:
    part = read_part(folder, FUSION, model)
    theirs = field(part.outer, "config", dict, part.source)
    found, tensors = _tensors_of(part, notes)
    names = part.outer.get("adapter_names", found)
    names = names.split(",") if isinstance(names, str) else names
    if not isinstance(names, list) or not all(is_name(each) for each in names):
        raise ArtifactError(f"{part.source}: adapter_names is {shown(names)}, not a list of names.")
    # the library calls it by all its adapters, with commas
    plain = "-".join(names)[:_LONGEST_NAME] if found == ",".join(names) else found
    chosen = chosen_name(name, plain, "adapter", part.source)
    sites, leave_out = acting_places(tensors, model.shape, part)
    fields = FUSION_MAP.fields_in(theirs, part)
    fields |= {"adapters": tuple(names), "sites": sites, "leave_out": leave_out}
    config = adapter_config(FUSION_MAP.kind, fields, part.source)
    own = FUSION_MAP.tensors_in(tensors, config, model.shape, theirs, part)
    check_nothing_left(tensors, part.source)
    return checked_adapter(chosen, config, own, model.shape, part.source)


def _read_head(
    folder: Path,
    model: DistilBertModelWithHeads,
    name: str | None,
    adapter: str | None,
    notes: list[str],
) -> HeadPart:
    part = read_part(folder, HEAD, model)
    belongs = UNSET if adapter is None else adapter
    if part.outer.get("config") is None:
        chosen = chosen_name(name, part.outer.get("name") or adapter, "head", part.source)
        return static_head(chosen, part, model, belongs)
    theirs = field(part.outer, "config", dict, part.source)
    found = field(part.outer, "name", str, part.source)
    chosen = chosen_name(name, found, "head", part.source)
    tensors = _head_tensors(part, found, notes)
    config, own = head_in(theirs, tensors, part, model)
    return checked_head(chosen, config, own, model.shape, part.source, adapter=belongs)


def _head_tensors(part: Part, name: str, notes: list[str]) -> dict[str, Tensor]:
    """The head's tensors, by names without `heads.NAME.` in front."""
    found: dict[str, Tensor] = {}
    others = set()
    for key, tensor in part.tensors.items():
        root, _, rest = key.partition(".")
        owner, _, short = rest.partition(".")
        if root != _HEADS or not short or not name or not owner.startswith(name):
            raise ArtifactError(f"{part.source} has unexpected tensors: {key[:150]}.")
        if owner == name:
            found[short] = tensor
        else:
            others.add(owner)
    notes += extra_note(part.source, sorted(others))
    return found


def _origin_note(part: Part, model: DistilBertModelWithHeads) -> tuple[str, ...]:
    """For a user: that the adapter was trained on a checkpoint of another name."""
    theirs, ours = part.outer.get("model_name"), model.backbone.name
    if not isinstance(theirs, str) or not theirs or "/" not in ours:
        return ()
    if theirs.rsplit("/", maxsplit=1)[-1] == ours.rsplit("/", maxsplit=1)[-1]:
        return ()
    trained = f"{part.source} was trained on {theirs[:100]!r}"
    return (f"{trained}; its weights mean nothing on {ours!r}, unless both are the same.",)
