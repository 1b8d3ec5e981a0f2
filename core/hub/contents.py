"""What of a place on disk is pushed: the files that we know, checked, and a card."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from polyhead.artifact import (
    ADAPTER_FILE,
    HEAD_FILE,
    CardDetails,
    check_task_files,
    find_tasks,
    is_sealed,
    model_card,
    part_card,
    read_manifest,
    read_task,
)
from polyhead.contracts import sample_of
from polyhead.errors import ArtifactError, HubError, InvalidNameError, listing
from polyhead.hub.layout import CARD_FILE, Layout, layout_of
from polyhead.hub.loadable import check_loads, class_of
from polyhead.names import check_name

if TYPE_CHECKING:
    from polyhead.artifact import Manifest, SavedTask
    from polyhead.contracts import Head

__all__ = ["Contents", "contents_of"]

CardMaker = Callable[[str, CardDetails], str]


@dataclass(frozen=True)
class Contents:
    """What one folder on the hub is to hold.

    Attributes:
        what: It in a few words, for the message of a commit.
        files: Its files by name, the card aside.
        own_card: A card that somebody wrote, or None.
        make_card: Makes one from the manifests, given the address and the owner's details.
        backbone: What its encoder is called.
        left_out: The names of files beside them that stay where they are.
    """

    what: str
    files: Mapping[str, Path]
    own_card: str | None
    make_card: CardMaker
    backbone: str
    left_out: tuple[str, ...]


def contents_of(place: Path) -> dict[str, Contents]:
    """What there is to push, by the folder that each lies in: "" for `place` itself.

    Args:
        place: A task's folder; one with an adapter's or a head's file, or that file; or one with
            the folders of tasks in it.

    Raises:
        ArtifactError: There is nothing of this, or it would not load.
        HubError: It needs a kind that is not installed.
    """
    if place.is_file():
        return {"": _parts([(place, read_manifest(place))], frozenset(), place.parent)}
    if not place.is_dir():
        raise ArtifactError(f"{place} is neither a folder nor a file.")
    names = {path.name for path in place.iterdir() if path.is_file()}
    layout = layout_of(names)
    if layout.kind == "task":
        return {"": _task(place, names, layout)}
    if layout.kind == "parts":
        found = [place / name for name in (ADAPTER_FILE, HEAD_FILE) if name in names]
        return {"": _parts([(path, read_manifest(path)) for path in found], names, place)}
    if layout.kind in {"adapters", "peft"}:
        raise HubError(
            f"{place} was saved by another library; convert it first with: polyhead convert {place}"
        )
    return _tasks(place)


def _tasks(place: Path) -> dict[str, Contents]:
    found = {folder.name: contents_of(folder)[""] for folder in find_tasks(place)}
    if not found:
        raise ArtifactError(
            f"{place} holds nothing to push: no task.json, no {ADAPTER_FILE} or {HEAD_FILE}, and "
            "no folders of tasks."
        )
    odd = sorted(found.keys() - set(layout_of([f"{name}/task.json" for name in found]).folders))
    if odd:
        raise InvalidNameError(
            f"{listing(odd)} cannot be folders of tasks on the hub: rename them with letters, "
            "digits, '_' and '-'."
        )
    return found


def _task(place: Path, names: set[str], layout: Layout) -> Contents:
    saved = read_task(place)
    check_name(saved.manifest.name, "task")
    check_task_files(saved)
    parts = {HEAD_FILE: saved.head, **saved.adapters}
    for name, part in parts.items():
        check_loads(part, place / name)
    beside = [name for name in layout.files if not name.endswith((".safetensors", ".md"))]
    files = {name: place / name for name in [*parts, *beside]}
    _check_sizes(files, layout)
    return Contents(
        f"task {saved.manifest.name!r}",
        files,
        _own_card(place),
        _task_card(saved, place / HEAD_FILE),
        saved.manifest.backbone.name,
        tuple(sorted(names - files.keys() - {CARD_FILE})),
    )


def _task_card(saved: SavedTask, path: Path) -> CardMaker:
    head_class: type[Head] = class_of(saved.head, path)  # type: ignore[assignment]  # of a head
    sample = sample_of(head_class.Example)
    adapters = list(saved.adapters.values())

    def make(address: str, details: CardDetails) -> str:
        return model_card(
            saved.manifest, saved.head, adapters, sample, address=address, details=details
        )

    return make


def _parts(
    found: list[tuple[Path, Manifest]], names: set[str] | frozenset[str], place: Path
) -> Contents:
    files = {}
    for path, manifest in found:
        check_loads(manifest, path)
        files[ADAPTER_FILE if manifest.artifact == "adapter" else HEAD_FILE] = path
    _check_sizes(files, layout_of(files.keys()))
    manifests = [manifest for _, manifest in found]
    if len(files) < len(found) or len({m.backbone.fingerprint for m in manifests}) > 1:
        raise ArtifactError(f"the files in {place} are not an adapter and a head of one encoder.")

    def make(address: str, details: CardDetails) -> str:
        return part_card(manifests, address=address, details=details)

    return Contents(
        " and ".join(f"{manifest.artifact} {manifest.name!r}" for manifest in manifests),
        files,
        _own_card(place) if names else None,
        make,
        manifests[0].backbone.name,
        tuple(sorted(names - files.keys() - {CARD_FILE})),
    )


def _check_sizes(files: Mapping[str, Path], layout: Layout) -> None:
    """Refuses what could not be pulled again."""
    for name, path in files.items():
        most = layout.limit(name)
        if path.stat().st_size > most:
            raise HubError(f"{path} is larger than the {most} bytes that are pulled again.")


def _own_card(place: Path) -> str | None:
    path = place / CARD_FILE
    if not path.is_file():
        return None
    try:
        text = path.read_text(encoding="utf-8")
    except ValueError:
        raise ArtifactError(f"{path} is not text in UTF-8.") from None
    return None if is_sealed(text) else text
