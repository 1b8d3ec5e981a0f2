"""Which tasks lie in a folder; files that have not changed are not read again."""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Final

from polyhead.artifact import TASK_FILE, task_manifest_in
from polyhead.errors import ArtifactError, shown
from polyhead.names import is_name

__all__ = ["Catalogue", "Found", "Stamp", "stamp_of", "stamps_in"]

Stamp = tuple[int, ...]
"""What changes when a file is written or replaced."""

_PATIENCE: Final = 30
_PAUSE_S: Final = 0.01


@dataclass(frozen=True)
class Found:
    """A task's folder.

    Attributes:
        folder: Where it lies.
        stamp: Of its task.json.
        name: Of the task; of the folder where that does not tell.
        digest: Of its task.json; empty where that cannot be used.
        created: When it was saved.
        n_bytes: Of its weight files, as task.json says.
        error: Why it cannot be used.
    """

    folder: Path
    stamp: Stamp
    name: str
    digest: str = ""
    created: datetime | None = None
    n_bytes: int = 0
    error: ArtifactError | None = None


class Catalogue:
    """The tasks in a folder by their names. One thread at a time looks."""

    def __init__(self, folder: Path, pause: Callable[[float], object] = time.sleep) -> None:
        """Looks at nothing yet.

        Args:
            folder: It holds folders of tasks, or is one.
            pause: Waits for some seconds.
        """
        self.folder = folder
        self._pause = pause
        self._by_place: dict[str, Found] = {}
        self._owners: dict[str, Path] = {}
        self._latest: Mapping[str, Found] = {}

    def look(self) -> Mapping[str, Found]:
        """What there is now. A folder whose name is taken by another is damaged.

        Raises:
            ArtifactError: There is no such folder.
        """
        found = {place: self._look_at(place, stamp) for place, stamp in self._stamps().items()}
        by_place = {place: one for place, one in found.items() if one is not None}
        if by_place != self._by_place:
            self._by_place = by_place
            self._latest = self._named()
        return self._latest

    def _stamps(self) -> dict[str, Stamp]:
        """The stamp of each task.json by the name of its folder; "" for the folder itself."""
        own = stamp_of(self.folder / TASK_FILE)
        if own is not None:
            return {"": own}
        try:
            with os.scandir(self.folder) as entries:
                names = [entry.name for entry in entries]
        except (OSError, ValueError):
            raise ArtifactError(f"{self.folder} is not a folder.") from None
        start = f"{self.folder}{os.sep}"  # of texts, since thousands of paths take longer
        end = f"{os.sep}{TASK_FILE}"
        places = (name for name in names if not name.startswith("."))
        stamps = {place: stamp for place in places if (stamp := stamp_of(start + place + end))}
        for gone in self._by_place.keys() - stamps.keys():
            stamp = self._back(gone, names)
            if stamp is not None:
                stamps[gone] = stamp
        return stamps

    def _back(self, place: str, beside: list[str]) -> Stamp | None:
        """The stamp of a folder that is gone and comes back, being replaced just now.

        While it is, the new one lies beside it under a hidden name.
        """
        hidden = re.compile(rf"\.{re.escape(place)}\.[0-9a-f]+")
        if not any(hidden.fullmatch(name) for name in beside):
            return None
        for _ in range(_PATIENCE):
            stamp = stamp_of(self.folder / place / TASK_FILE)
            if stamp is not None:
                return stamp
            self._pause(_PAUSE_S)
        return None

    def _look_at(self, place: str, stamp: Stamp) -> Found | None:
        before = self._by_place.get(place)
        if before is not None and before.stamp == stamp:
            return before
        folder = self.folder / place
        try:
            content = (folder / TASK_FILE).read_bytes()
        except FileNotFoundError:  # it has just gone
            return None
        except OSError as error:
            reason = f"{TASK_FILE} cannot be read: {error.strerror or error}."
            return Found(folder, stamp, folder.name, error=ArtifactError(reason))
        return _read(folder, stamp, content)

    def _named(self) -> dict[str, Found]:
        """Each folder under a name of its own."""
        owners: dict[str, Found] = {}
        others = []
        for one in sorted(self._by_place.values(), key=self._rank):
            if one.name in owners:
                others.append(one)
            else:
                owners[one.name] = one
        self._owners = {name: one.folder for name, one in owners.items() if one.error is None}
        for one in others:
            label = _free_label(one.folder.name, owners)
            owners[label] = one if one.error else _second(one, label, owners[one.name])
        return owners

    def _rank(self, found: Found) -> tuple[bool, bool, bool, Path]:
        """Whose name it is where several claim it: the lowest."""
        return (
            found.error is not None,
            self._owners.get(found.name) != found.folder,
            found.folder.name != found.name,
            found.folder,
        )


def _read(folder: Path, stamp: Stamp, content: bytes) -> Found:
    path = Path(folder.name) / TASK_FILE  # for messages, which may be read from afar
    try:
        manifest = task_manifest_in(content, path)
    except ArtifactError as error:
        return Found(folder, stamp, folder.name, error=error)
    if not is_name(manifest.name):
        odd = ArtifactError(f"{path}: {shown(manifest.name)} cannot name a task.")
        return Found(folder, stamp, folder.name, error=odd)
    infos = (manifest.head, *manifest.adapter_files.values())
    return Found(
        folder,
        stamp,
        manifest.name,
        digest=hashlib.sha256(content).hexdigest(),
        created=manifest.created,
        n_bytes=sum(info.n_bytes for info in infos),
    )


def _second(found: Found, label: str, owner: Found) -> Found:
    error = ArtifactError(
        f"the folder {found.folder.name} holds the task {found.name!r}, and so does "
        f"{owner.folder.name}, which is served; save it under another name, or remove one of them."
    )
    return replace(found, name=label, digest="", error=error)


def _free_label(label: str, taken: Mapping[str, object]) -> str:
    while label in taken:
        label += " (folder)"
    return label


def stamp_of(path: Path | str) -> Stamp | None:
    """The stamp of a file; None where there is none that can be seen."""
    try:
        stat = os.stat(path)  # noqa: PTH116 - half the time of Path.stat, for thousands of files
    except (OSError, ValueError):
        return None
    return (stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns)


def stamps_in(folder: Path) -> frozenset[tuple[str, Stamp]]:
    """The stamps of all files that a task's folder holds."""
    return frozenset(_stamps_in(folder))


def _stamps_in(folder: Path) -> Iterator[tuple[str, Stamp]]:
    for place in (folder, folder / "adapters"):
        try:
            with os.scandir(place) as entries:
                paths = [entry.path for entry in entries]
        except (OSError, ValueError):
            continue
        for path in paths:
            stamp = stamp_of(path)
            if stamp is not None:
                yield path, stamp
