"""A saved task read at once: what becomes of its files later does not matter."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from polyhead.artifact.known_digests import digest_of
from polyhead.artifact.manifest import FileInfo
from polyhead.artifact.task import (
    HEAD_FILE,
    TASK_FILE,
    SavedTask,
    check_names,
    check_part,
    read_task_file,
    read_task_manifest,
    task_manifest_in,
)
from polyhead.artifact.tensorfile import manifest_in
from polyhead.errors import ArtifactError

__all__ = ["TaskContents", "read_contents", "read_headers"]

_LENGTH_BYTES: Final = 8
"""What a safetensors file begins with: the length of its header."""


@dataclass(frozen=True)
class TaskContents:
    """A task in memory: the very bytes whose digests were compared are those that are loaded.

    Attributes:
        saved: What its headers say.
        weights: The weight files by their paths in the folder.
        states: What these files were when they were read.
        task_file: The content of task.json.
    """

    saved: SavedTask
    weights: Mapping[str, bytes]
    states: Mapping[str, os.stat_result]
    task_file: bytes

    @property
    def digest(self) -> str:
        """The SHA-256 of task.json, which stands for all: that holds the weight files' digests."""
        return hashlib.sha256(self.task_file).hexdigest()


def read_contents(folder: Path) -> TaskContents:
    """The task that a folder holds, its weight files compared with their digests in task.json.

    Files are read, not mapped: one that is cut short meanwhile is an error like any other. The
    digest of a file that has not changed since it was last read is not computed again.

    Raises:
        ArtifactError: It is no task, or a file is missing, damaged, not the one that the task was
            saved with, or of another backbone.
        NewerFormatError: It was written in a later version of the format.
    """
    task_file = read_task_file(folder / TASK_FILE)
    manifest = task_manifest_in(task_file, folder / TASK_FILE)
    files = {HEAD_FILE: manifest.head, **manifest.adapter_files}
    weights, states, parts = {}, {}, {}
    for name, info in files.items():
        weights[name], states[name] = _read(folder / name, info.n_bytes + 1)
        parts[name] = manifest_in(weights[name], folder / name)
        artifact = "head" if name == HEAD_FILE else "adapter"
        check_part(folder / name, parts[name], artifact, manifest)
    saved = SavedTask(folder, manifest, parts.pop(HEAD_FILE), parts)
    check_names(saved)
    for name, info in files.items():
        _check_digest(weights[name], states[name], info, folder / name)
    return TaskContents(saved, weights, states, task_file)


def read_headers(folder: Path) -> SavedTask:
    """What a task's headers say; sizes of files are compared, their digests are not.

    As `read_task`, but files are read and not mapped, so that they may be cut short meanwhile.

    Raises:
        ArtifactError: It is no task, or a file is missing, damaged, of another size than it was
            saved with, or of another backbone.
        NewerFormatError: It was written in a later version of the format.
    """
    manifest = read_task_manifest(folder / TASK_FILE)
    parts = {}
    for name, info in {HEAD_FILE: manifest.head, **manifest.adapter_files}.items():
        start, _ = _read(folder / name, _LENGTH_BYTES)
        n_header = int.from_bytes(start, "little")
        header, state = _read(folder / name, _LENGTH_BYTES + n_header)
        parts[name] = manifest_in(header, folder / name)
        artifact = "head" if name == HEAD_FILE else "adapter"
        check_part(folder / name, parts[name], artifact, manifest)
        if state.st_size != info.n_bytes:
            raise _not_it(folder / name, "size")
    saved = SavedTask(folder, manifest, parts.pop(HEAD_FILE), parts)
    check_names(saved)
    return saved


def _read(path: Path, most: int) -> tuple[bytes, os.stat_result]:
    """The first `most` bytes of a file, and its state."""
    if not os.path.isfile(path):  # noqa: PTH113 - Path.is_file raises for names that are too long
        raise ArtifactError(f"{path} is not a file.")
    try:
        with path.open("rb") as file:
            state = os.fstat(file.fileno())
            return file.read(min(most, state.st_size)), state
    except OSError as error:
        raise ArtifactError(f"{path} cannot be read: {error.strerror or error}.") from None


def _check_digest(content: bytes, state: os.stat_result, info: FileInfo, path: Path) -> None:
    is_it = len(content) == info.n_bytes and digest_of(content, state) == info.sha256
    if not is_it:
        raise _not_it(path, "digest")


def _not_it(path: Path, what: str) -> ArtifactError:
    return ArtifactError(f"{path} is not the file this task was saved with: its {what} differs.")
