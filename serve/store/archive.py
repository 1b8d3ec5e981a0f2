"""Versions of tasks kept on disk, so that one can be gone back to.

They lie in <folder>/.versions/<task>/<digest>/ and are made of hard links: they take no room as
long as the task's own folder holds the same files.
"""

from __future__ import annotations

import logging
import os
import re
import secrets
import shutil
import time
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from polyhead.artifact import TASK_FILE, TaskContents

__all__ = ["ARCHIVE", "Archive", "Kept"]

ARCHIVE: Final = ".versions"
_TEMPORARY: Final = ".new"
_CARD: Final = "README.md"
_DIGEST: Final = re.compile("[0-9a-f]{64}")
_OLD_S: Final = 60.0
"""What is temporary and older was left by a process that was killed."""

_log = logging.getLogger("polyhead.serve.store")


@dataclass(frozen=True)
class Kept:
    """A version in the archive.

    Attributes:
        digest: Of its task.json.
        folder: Where it lies.
        order: Higher for what was published later.
    """

    digest: str
    folder: Path
    order: int


class Archive:
    """The versions of a folder's tasks.

    Attributes:
        folder: Where they lie.
        why_not: Why nothing is kept from now on; None while it is.
        is_read: Whether versions are taken from it.
    """

    def __init__(self, folder: Path, *, max_versions: int, is_wanted: bool) -> None:
        """Looks whether it can be written, and removes what a killed process left half done.

        Args:
            folder: Of the tasks.
            max_versions: How many of a task are kept.
            is_wanted: Whether any are.
        """
        self.folder = folder / ARCHIVE
        self.why_not: str | None = None if is_wanted else "the archive is switched off"
        self.is_read = is_wanted
        self._max_versions = max_versions
        if is_wanted:
            self._open()

    def versions(self, name: str) -> list[Kept]:
        """Those of a task, the newest first; none where it cannot be read."""
        found: list[Kept] = []
        if not self.is_read:
            return found
        try:
            with os.scandir(self.folder / name) as entries:
                for entry in entries:
                    if _DIGEST.fullmatch(entry.name):
                        order = entry.stat().st_mtime_ns
                        found.append(Kept(entry.name, Path(entry.path), order))
        except OSError:
            return []
        return sorted(found, key=lambda kept: kept.order, reverse=True)

    def place(self, name: str, digest: str) -> Path | None:
        """Where a version lies; None where it is not kept."""
        place = self.folder / name / digest
        return place if self.is_read and (place / TASK_FILE).is_file() else None

    def keep(self, name: str, contents: TaskContents, protected: Collection[str] = ()) -> None:
        """Keeps a version that was just loaded, and drops those that are too many.

        A failure is logged: it must not harm who wants to use the version.

        Args:
            name: Of the task.
            contents: As it was read from its folder.
            protected: Digests of versions that are not dropped.
        """
        if self.why_not is not None or self.place(name, contents.digest) is not None:
            return
        try:
            self._keep(name, contents)
            for kept in self.versions(name)[self._max_versions :]:
                if kept.digest not in {contents.digest, *protected}:
                    shutil.rmtree(kept.folder, ignore_errors=True)
        except OSError as error:
            _log.warning("the version of %r is not kept: %s", name, error)

    def touch(self, name: str, digest: str) -> None:
        """Takes note that a version was published again: it is the newest now."""
        if self.place(name, digest) is not None:
            with suppress(OSError):
                self._date(self.folder / name / digest, name)

    def _open(self) -> None:
        try:
            (self.folder / _TEMPORARY).mkdir(parents=True, exist_ok=True)
            probe = self.folder / _TEMPORARY / secrets.token_hex(8)
            probe.mkdir()
            probe.rmdir()
            self._clean()
        except OSError as error:
            self.why_not = f"{ARCHIVE} cannot be written: {error.strerror or error}"

    def _clean(self) -> None:
        before = time.time() - _OLD_S
        leftovers = [*(self.folder / _TEMPORARY).iterdir(), *self.folder.glob(".*.json.*")]
        for place in leftovers:
            with suppress(OSError):
                if place.stat().st_mtime < before:
                    shutil.rmtree(place) if place.is_dir() else place.unlink()

    def _keep(self, name: str, contents: TaskContents) -> None:
        temporary = self.folder / _TEMPORARY / secrets.token_hex(8)
        temporary.mkdir()
        try:
            _copy(contents, temporary)
            (self.folder / name).mkdir(exist_ok=True)
            self._date(temporary, name)
            temporary.rename(self.folder / name / contents.digest)
        except OSError:
            if self.place(name, contents.digest) is None:  # no other process was faster
                raise
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    def _date(self, place: Path, name: str) -> None:
        """Makes a version the newest, also where the clock has not moved on."""
        newest = max((kept.order for kept in self.versions(name)), default=0)
        order = max(time.time_ns(), newest + 1)
        os.utime(place, ns=(order, order))


def _copy(contents: TaskContents, to: Path) -> None:
    """The files as they were read, in new places."""
    source = contents.saved.folder
    for path, content in contents.weights.items():
        (to / path).parent.mkdir(exist_ok=True)
        if not _link(source / path, to / path, contents.states[path]):
            (to / path).write_bytes(content)
    (to / TASK_FILE).write_bytes(contents.task_file)
    with suppress(OSError):
        shutil.copyfile(source / _CARD, to / _CARD)


def _link(source: Path, target: Path, state: os.stat_result) -> bool:
    """Links a file, if it is still the one of that state; else there is no link."""
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without links
        return False
    own = target.stat()
    if os.path.samestat(own, state) and own.st_mtime_ns == state.st_mtime_ns:
        return True
    target.unlink()
    return False
