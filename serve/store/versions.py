"""The versions of a task that can be gone to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from polyhead.errors import InputError
from polyhead.serve.store.entry import version_of
from polyhead.serve.store.unknown import unknown_version

if TYPE_CHECKING:
    from polyhead.serve.store.archive import Archive
    from polyhead.serve.store.entry import Entry
    from polyhead.serve.store.residents import Resident

__all__ = ["named", "version_before", "versions_of"]


def versions_of(entry: Entry, archive: Archive, residents: Iterable[Resident]) -> list[str]:
    """Their digests, the newest first: on disk, in the archive, in memory."""
    kept = [one.digest for one in archive.versions(entry.name)]
    loaded = [one.digest for one in sorted(residents, key=lambda one: -one.number)]
    on_disk = [] if entry.on_disk is None or entry.on_disk in kept else [entry.on_disk]
    return list(dict.fromkeys([*on_disk, *kept, *loaded]))


def named(version: object, known: Sequence[str]) -> str:
    """The digest of a version.

    Raises:
        UnknownTaskError: There is no such version.
    """
    by_name = {version_of(digest): digest for digest in known}
    digest = by_name.get(version) if isinstance(version, str) else None
    if digest is None:
        raise unknown_version(version, list(by_name))
    return digest


def version_before(entry: Entry, known: Sequence[str], archive: Archive) -> str:
    """The digest of the version before the one that answers.

    Raises:
        InputError: There is none.
    """
    current = entry.current or entry.target
    if current in known and known.index(current) + 1 < len(known):
        return known[known.index(current) + 1]
    reason = archive.why_not or "a version is kept from its first load on"
    version = "" if current is None else f" {version_of(current)}"
    raise InputError(
        f"the task {entry.name!r} has no version before its current{version}; {reason}."
    )
