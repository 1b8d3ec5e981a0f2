"""A task's folder: head, adapter, `task.json` and a model card."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from polyhead.artifact.card import model_card
from polyhead.artifact.manifest import (
    ADAPTER_FILE,
    FileInfo,
    Manifest,
    TaskManifest,
    adapter_file,
    parse,
)
from polyhead.artifact.storage import check_free, write_folder
from polyhead.artifact.tensorfile import read_manifest, tensor_file
from polyhead.contracts import sample_of
from polyhead.errors import ArtifactError, InputError, listing, shown

if TYPE_CHECKING:
    from torch import nn

    from polyhead.contracts import Head, TextSettings

__all__ = [
    "ADAPTER_FILE",
    "HEAD_FILE",
    "TASK_FILE",
    "SavedTask",
    "check_names",
    "check_part",
    "check_task_files",
    "find_tasks",
    "read_task",
    "read_task_file",
    "read_task_manifest",
    "task_manifest_in",
    "write_task",
]

HEAD_FILE: Final = "head.safetensors"
TASK_FILE: Final = "task.json"
CARD_FILE: Final = "README.md"


@dataclass(frozen=True)
class SavedTask:
    """A task's folder, its headers read and checked.

    Attributes:
        folder: Where it lies.
        manifest: Of the task.
        head: Of its head.
        adapters: Of its adapters by their paths in the folder; none for a head on the bare encoder.
    """

    folder: Path
    manifest: TaskManifest
    head: Manifest
    adapters: Mapping[str, Manifest]

    @property
    def adapter(self) -> Manifest | None:
        """Of its only adapter; None where there is none, or several put together."""
        return self.adapters.get(ADAPTER_FILE)

    @property
    def n_bytes(self) -> int:
        """Bytes of all weight files."""
        files = self.manifest.adapter_files.values()
        return self.manifest.head.n_bytes + sum(info.n_bytes for info in files)


def write_task(
    folder: Path,
    head: tuple[Head, Manifest],
    adapters: Sequence[tuple[nn.Module, Manifest]],
    text: TextSettings,
    *,
    setup: str | None = None,
    overwrite: bool,
    training: Mapping[str, Any] | None = None,
    files: Mapping[str, str] | None = None,
) -> TaskManifest:
    """Writes the folder, all of it or nothing.

    Args:
        folder: Where to; the task is named as the head's manifest is.
        head: The head and its manifest, whose metrics become the task's.
        adapters: Each adapter and its manifest; more than one only with a setup.
        text: How the task's texts are read.
        setup: How the adapters are put together; None for one alone, or none.
        overwrite: Whether a task that lies there may be replaced.
        training: How it was trained, for the manifest and the card.
        files: Further text files by name.

    Returns:
        What was written to task.json.

    Raises:
        InputError: A further file has a path for a name, or the name of one of the task's own.
        OutputExistsError: The folder exists.
        WriteError: It could not be written; nothing was changed.
        ArtifactError: A weight is not finite.
    """
    _check_file_names(files or {})
    check_free(folder, overwrite=overwrite, marker=TASK_FILE)
    contents = {HEAD_FILE: tensor_file(*head)}
    infos = {}
    for module, part in adapters:
        path = ADAPTER_FILE if setup is None else adapter_file(part.name)
        contents[path] = tensor_file(module, part)
        infos[part.name] = _file_info(contents[path])
    manifest = TaskManifest(
        name=head[1].name,
        metrics=head[1].metrics,
        text=text,
        head=_file_info(contents[HEAD_FILE]),
        adapter=next(iter(infos.values()), None) if setup is None else None,
        setup=setup,
        adapters={} if setup is None else infos,
        backbone=head[1].backbone,
        training=dict(training or {}),
    )
    parts = [part for _, part in adapters]
    card = model_card(manifest, head[1], parts, sample_of(head[0].Example))
    texts = {TASK_FILE: manifest.model_dump_json(indent=2) + "\n", CARD_FILE: card, **(files or {})}
    contents.update({name: content.encode() for name, content in texts.items()})
    write_folder(folder, contents)
    return manifest


def _check_file_names(names: Iterable[str]) -> None:
    own = {ADAPTER_FILE, HEAD_FILE, TASK_FILE, CARD_FILE}
    for name in names:
        if name in {"", "..", *own} or Path(name).name != name:
            raise InputError(f"{name!r} cannot be the name of a file beside a task's own.")


def read_task(folder: Path) -> SavedTask:
    """What a task's folder holds; no tensor is read.

    Raises:
        ArtifactError: It is no task, or a file is missing, damaged or of another backbone.
        NewerFormatError: It was written in a later version of the format.
    """
    manifest = read_task_manifest(folder / TASK_FILE)
    head = _read_part(folder / HEAD_FILE, "head", manifest)
    adapters = {
        path: _read_part(folder / path, "adapter", manifest) for path in manifest.adapter_files
    }
    saved = SavedTask(folder, manifest, head, adapters)
    check_names(saved)
    return saved


def check_part(path: Path, part: Manifest, artifact: str, task: TaskManifest) -> None:
    """Compares what a part's header says with the task and the place where it lies.

    Args:
        path: Of its file.
        part: What its header says.
        artifact: What belongs there: "head" or "adapter".
        task: What the task's manifest says.

    Raises:
        ArtifactError: The file is of the other sort, or of another backbone.
    """
    if part.artifact != artifact:
        raise ArtifactError(f"{path} was saved as {part.artifact!r}, not as {artifact!r}.")
    if part.backbone.fingerprint != task.backbone.fingerprint:
        raise ArtifactError(f"{path} belongs to another backbone than the task it lies in.")


def check_names(saved: SavedTask) -> None:
    """Compares the names of several adapters with those of their files.

    Raises:
        ArtifactError: A file holds another adapter than task.json says.
    """
    for name in saved.manifest.adapters:
        own = saved.adapters[adapter_file(name)].name
        if own != name:
            raise ArtifactError(f"{saved.folder / adapter_file(name)} was saved as {shown(own)}.")


def read_task_manifest(path: Path) -> TaskManifest:
    """What a task.json says; the files beside it are not looked at.

    Raises:
        ArtifactError: It is missing or is not a task's manifest.
        NewerFormatError: It was written in a later version of the format.
    """
    return task_manifest_in(read_task_file(path), path)


def task_manifest_in(content: bytes, path: Path) -> TaskManifest:
    """What a task.json says that was read already.

    Args:
        content: Of the file.
        path: Of the file, for messages.

    Raises:
        ArtifactError: It is not a task's manifest.
        NewerFormatError: It was written in a later version of the format.
    """
    try:
        text = content.decode()
    except ValueError as error:
        raise ArtifactError(f"{path} cannot be read: {error}.") from None
    return parse(text, TaskManifest, path)


def read_task_file(path: Path) -> bytes:
    """What lies in the place of a task.json.

    Raises:
        ArtifactError: It is missing or cannot be read.
    """
    folder = path.parent
    try:
        return path.read_bytes()
    except FileNotFoundError:
        problem = (
            "is not a task's folder: it has no task.json" if folder.is_dir() else "is no folder"
        )
        place = folder if folder.is_dir() else folder.parent
        raise ArtifactError(f"{folder} {problem}.{_tasks_in(place)}") from None
    except (OSError, ValueError) as error:  # ValueError: not a path
        raise ArtifactError(f"{path} cannot be read: {error}.") from None


def check_task_files(saved: SavedTask) -> None:
    """Compares the weight files with the digests in task.json.

    Raises:
        ArtifactError: A file is not the one that the task was saved with.
    """
    files = {HEAD_FILE: saved.manifest.head, **saved.manifest.adapter_files}
    for name, info in files.items():
        if _file_info((saved.folder / name).read_bytes()) != info:
            raise ArtifactError(
                f"{saved.folder / name} is not the file this task was saved with: its digest "
                "differs."
            )


def find_tasks(folder: Path) -> list[Path]:
    """The tasks' folders directly inside `folder`, sorted; `folder` itself where it is one.

    Raises:
        ArtifactError: There is no such folder.
    """
    if not os.path.isdir(folder):  # noqa: PTH112 - Path.is_dir raises for names that are too long
        raise ArtifactError(f"{folder} is not a folder.")
    if (folder / TASK_FILE).is_file():
        return [folder]
    return sorted(
        path.parent
        for path in folder.glob(f"*/{TASK_FILE}")
        if not path.parent.name.startswith(".")
    )


def _tasks_in(folder: Path) -> str:
    """For a message: which tasks there are, or nothing where there are none."""
    found = [path.name for path in find_tasks(folder)] if folder.is_dir() else []
    return f" Tasks in {folder}: {listing(found)}." if found else ""


def _read_part(path: Path, artifact: str, task: TaskManifest) -> Manifest:
    part = read_manifest(path)
    check_part(path, part, artifact, task)
    return part


def _file_info(content: bytes) -> FileInfo:
    return FileInfo(sha256=hashlib.sha256(content).hexdigest(), n_bytes=len(content))
