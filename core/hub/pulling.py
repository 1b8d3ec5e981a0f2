"""From the hub to a folder: known files alone, checked before they come to their place."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from polyhead.artifact import (
    ADAPTER_FILE,
    HEAD_FILE,
    TASK_FILE,
    Manifest,
    check_free,
    check_task_files,
    read_manifest,
    read_task,
    read_task_manifest,
    write_folder,
)
from polyhead.encoder import HubOptions
from polyhead.errors import ArtifactError, HubError, listing
from polyhead.hub.address import Address, parse_address
from polyhead.hub.fetching import fetch
from polyhead.hub.layout import Layout, LayoutKind, layout_of
from polyhead.hub.listing import Listing, find_listing
from polyhead.names import check_name

__all__ = ["FOREIGN", "Pulled", "pull", "pull_checked"]

FOREIGN: Final[tuple[LayoutKind, ...]] = ("adapters", "peft")
"""The layouts of other libraries."""
_CONVERT: Final = {"adapters": "the library 'adapters'", "peft": "the library 'peft'"}


@dataclass(frozen=True)
class Pulled:
    """What came from the hub.

    Attributes:
        folder: Where it lies.
        kind: What it is: "task", "tasks" or "parts"; "adapters" or "peft" for what another library
            saved.
        files: Its files, by their paths in the folder.
        commit: The commit that it is of.
    """

    folder: Path
    kind: LayoutKind
    files: tuple[str, ...]
    commit: str


def pull(
    repo_id: str,
    folder: str | Path | None = None,
    *,
    subfolder: str | None = None,
    revision: str | None = None,
    token: str | None = None,
    cache_dir: str | Path | None = None,
    local_files_only: bool = False,
    overwrite: bool = False,
    fresh: bool = False,
    foreign: bool = False,
) -> Path:
    """The folder with a task, an adapter or a head of the hub, checked.

    A repository that holds tasks in folders of their own comes as a folder of tasks.

    Args:
        repo_id: As "owner/name", or "owner/name/folder" for what lies in a folder there.
        folder: Where to; written as a whole or not at all. The place in the hub client's cache,
            which is not to be changed, when None.
        subfolder: The folder in the repository, where `repo_id` does not have it.
        revision: A branch, tag or commit; the default branch when None.
        token: For private repositories; the one that the hub's client stores when None.
        cache_dir: Where downloads are kept; the client's own place when None.
        local_files_only: Whether to use the cache alone.
        overwrite: Whether what lies at `folder` may be replaced.
        fresh: Whether to fetch what the cache already has.
        foreign: Whether files of the libraries `adapters` and `peft` may come too, as they are.

    Raises:
        HubError: There is no such repository or it holds nothing of ours, or the hub could not be
            asked; nothing was changed.
        ArtifactError: What it holds is damaged, or of a later format; nothing was changed.
        OutputExistsError: `folder` exists.
        WriteError: `folder` could not be written.
    """
    options = HubOptions(revision, cache_dir, local_files_only, token)
    address = parse_address(repo_id, subfolder)
    place = None if folder is None else Path(folder)
    return pull_checked(
        address, place, options, overwrite=overwrite, fresh=fresh, foreign=foreign
    ).folder


def pull_checked(
    address: Address,
    folder: Path | None,
    options: HubOptions,
    *,
    overwrite: bool = False,
    fresh: bool = False,
    foreign: bool = False,
) -> Pulled:
    """As `pull`, and tells what it was that came."""
    if folder is not None and not overwrite:
        check_free(folder, overwrite=False)
    found = find_listing(address, options)
    layout = layout_of(found.files.keys())
    _check_layout(layout, found, foreign=foreign)
    if layout.kind in {"task", "tasks"}:
        manifests = tuple(file for file in layout.files if file.endswith(TASK_FILE))
        cached = fetch(found, layout, options, files=manifests, fresh=fresh)
        weights = [
            file
            for path in manifests
            for file in _weights_of(cached / path, path.removesuffix(TASK_FILE), found)
        ]
        texts = [file for file in layout.files if not file.endswith(".safetensors")]
        layout = replace(layout, files=tuple(sorted([*texts, *weights])))
    cached = fetch(found, layout, options, fresh=fresh)
    _check_content(cached, layout)
    place = cached if folder is None else _moved(cached, folder, layout, overwrite=overwrite)
    return Pulled(place, layout.kind, layout.files, found.commit)


def _check_layout(layout: Layout, found: Listing, *, foreign: bool) -> None:
    """Refuses what is not ours, with what to do instead."""
    where = str(found.address)
    if layout.kind in FOREIGN and not foreign:
        raise HubError(
            f"{where!r} was saved by {_CONVERT[layout.kind]}, not by polyhead; convert it with: "
            f"polyhead pull {where} --backbone BACKBONE"
        )
    if layout.kind == "checkpoint":
        raise HubError(
            f"{where!r} is a whole model, not a task, adapter or head: give it as a backbone, or "
            "import its head with polyhead convert."
        )
    if layout.kind == "nothing":
        below = sorted({name.partition("/")[0] for name in found.files if "/" in name})
        there = f"; its folders are: {listing(below)}" if below else ""
        raise HubError(f"{where!r} holds no task, adapter or head of polyhead{there}.")


def _weights_of(path: Path, folder: str, found: Listing) -> list[str]:
    """The files that a task names, once their sizes are those that the hub tells."""
    manifest = read_task_manifest(path)
    check_name(manifest.name, "task")
    named = {HEAD_FILE: manifest.head, **manifest.adapter_files}
    for name, info in named.items():
        where = found.address.within(folder + name)
        remote = found.files.get(folder + name)
        if remote is None:
            raise HubError(f"{where} is missing, and {TASK_FILE} names it.")
        if remote.n_bytes != info.n_bytes:
            raise HubError(
                f"{where} has {remote.n_bytes} bytes, and {TASK_FILE} says {info.n_bytes}: it is "
                "not the file that the task was saved with."
            )
    return [folder + name for name in named]


def _check_content(folder: Path, layout: Layout) -> None:
    """Reads what came, as far as it can be without a model."""
    if layout.kind in {"task", "tasks"}:
        for place in (folder / name for name in layout.folders or ("",)):
            saved = read_task(place)
            check_task_files(saved)
    if layout.kind == "parts":
        for name, artifact in ((ADAPTER_FILE, "adapter"), (HEAD_FILE, "head")):
            if name in layout.files:
                _check_part(read_manifest(folder / name), artifact, folder / name)


def _check_part(manifest: Manifest, artifact: str, path: Path) -> None:
    check_name(manifest.name, artifact)
    if manifest.artifact != artifact:
        raise ArtifactError(f"{path} was saved as {manifest.artifact!r}, not as {artifact!r}.")


def _moved(cached: Path, folder: Path, layout: Layout, *, overwrite: bool) -> Path:
    check_free(folder, overwrite=overwrite, marker=_marker(layout))
    write_folder(folder, {file: (cached / file).read_bytes() for file in layout.files})
    return folder


def _marker(layout: Layout) -> str:
    """The file by which a folder is known to hold the same sort of thing."""
    return next(file for file in layout.files if not file.endswith(".md"))
