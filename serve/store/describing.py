"""What a task's files tell of it, and what the store adds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Literal

from polyhead.artifact import HEAD_FILE, TASK_FILE, SavedTask, read_headers, read_task_manifest
from polyhead.contracts import sample_of
from polyhead.errors import ArtifactError
from polyhead.model.loading import head_class_of
from polyhead.serve.store.archive import Archive
from polyhead.serve.store.entry import Entry, version_of
from polyhead.serve.store.loading import artifact_error
from polyhead.serve.store.records import TaskRecord, VersionRecord
from polyhead.serve.store.residents import Resident
from polyhead.serve.store.schemas import schemas_of

__all__ = ["Sight", "record_of"]

_CARD: Final = "README.md"
_LONGEST_CARD: Final = 200_000


@dataclass(frozen=True)
class Sight:
    """What a store saw of a task at one moment.

    Attributes:
        entry: Of the task; other threads go on changing it.
        digest: Of the version that answers; None where there is none.
        residents: Its versions in memory.
        is_loading: Whether one is being loaded.
        is_failing: Whether the version that answers could not be loaded.
        versions: The digests of those that can be gone to, the newest first.
    """

    entry: Entry
    digest: str | None
    residents: tuple[Resident, ...]
    is_loading: bool
    is_failing: bool
    versions: tuple[str, ...]

    @property
    def resident(self) -> Resident | None:
        """The version that answers, where it is in memory."""
        return next((one for one in self.residents if one.digest == self.digest), None)


def record_of(sight: Sight, archive: Archive) -> TaskRecord:
    """What is told of a task; its files are looked at where it is not in memory."""
    entry, resident = sight.entry, sight.resident
    fields: dict[str, Any] = {"n_bytes": entry.found.n_bytes}
    error: ArtifactError | None = None
    kept = archive.place(entry.name, sight.digest) if sight.digest is not None else None
    folder = kept or entry.found.folder
    try:
        saved = resident.saved if resident is not None else _headers(sight, folder)
        facts, error = _facts(saved)
        fields.update(facts)
        if sight.digest == entry.found.digest:
            error = error or _size_error(saved, entry.found.folder)
    except ArtifactError as reason:
        error = reason
    is_damaged = error is not None and (kept is None or "head_kind" not in fields)
    if resident is not None:
        fields["n_bytes"] = resident.n_bytes
    said = None if error is None else str(artifact_error(error, entry.name, archive.folder.parent))
    return TaskRecord(
        name=entry.name,
        state=_state(sight, is_damaged=is_damaged),
        version=version_of(sight.digest) if sight.digest is not None else None,
        versions=_versions(sight, archive),
        pinned=entry.is_pinned,
        card=_card(folder),
        n_loads=entry.n_loads,
        n_hits=entry.n_hits,
        error=entry.error or said,
        **fields,
    )


def _state(
    sight: Sight, *, is_damaged: bool
) -> Literal["resident", "loading", "on_disk", "damaged"]:
    if sight.resident is not None:
        return "resident"
    if sight.is_loading:
        return "loading"
    return "damaged" if is_damaged or sight.is_failing else "on_disk"


def _size_error(saved: SavedTask, folder: Path) -> ArtifactError | None:
    """That a weight file in a task's folder has not the size it was saved with."""
    for name, info in {HEAD_FILE: saved.manifest.head, **saved.manifest.adapter_files}.items():
        try:
            if (folder / name).stat().st_size == info.n_bytes:
                continue
        except OSError:
            return ArtifactError(f"{folder / name} is not a file.")
        return ArtifactError(
            f"{folder / name} is not the file this task was saved with: its size differs."
        )
    return None


def _headers(sight: Sight, folder: Path) -> SavedTask:
    """Those of the version that answers, read once.

    Raises:
        ArtifactError: They cannot be read.
    """
    entry, digest = sight.entry, sight.digest
    if digest is None:
        raise entry.found.error or ArtifactError(f"the task {entry.name!r} has no version.")
    known = entry.headers
    if known is not None and known[0] == digest:
        return known[1]
    saved = read_headers(folder)
    entry.headers = (digest, saved)
    return saved


def _versions(sight: Sight, archive: Archive) -> list[VersionRecord]:
    residents = {one.digest: one for one in sight.residents}
    found = sight.entry.found
    records = []
    for digest in sight.versions:
        place = archive.place(found.name, digest)
        if digest == found.digest:
            created = found.created
        elif digest in residents:
            created = residents[digest].saved.manifest.created
        else:
            created = _created(place)
        records.append(
            VersionRecord(
                version=version_of(digest),
                created=created,
                is_current=digest == sight.digest,
                is_resident=digest in residents,
                is_archived=place is not None,
            )
        )
    return records


def _created(place: Path | None) -> datetime | None:
    try:
        return None if place is None else read_task_manifest(place / TASK_FILE).created
    except ArtifactError:
        return None


def _facts(saved: SavedTask) -> tuple[dict[str, Any], ArtifactError | None]:
    """Fields of a TaskRecord, and why some are missing.

    Returns:
        The fields; and an error where the kind of its head is not installed.
    """
    head, manifest = saved.head, saved.manifest
    labels = head.config.get("labels")
    kinds = dict.fromkeys(part.kind for part in saved.adapters.values())
    fields: dict[str, Any] = {
        "head_kind": head.kind,
        "head_config": head.config,
        "adapter_kind": "+".join(kinds) or None,
        "setup": manifest.setup,
        "labels": [str(label) for label in labels] if isinstance(labels, list) else None,
        "metrics": manifest.metrics,
        "text": manifest.text.model_dump(mode="json"),
        "n_bytes": saved.n_bytes,
    }
    try:
        head_class = head_class_of(head, saved.folder / HEAD_FILE)
    except ArtifactError as error:
        return fields, error
    fields["example"] = sample_of(head_class.Example)
    fields["schemas"] = schemas_of(head_class)
    fields["target_fields"] = list(head_class.Example.target_fields)
    return fields, None


def _card(folder: Path) -> str | None:
    """The model card of a task; None where it cannot be read."""
    try:
        with (folder / _CARD).open("rb") as file:
            return file.read(_LONGEST_CARD).decode(errors="replace")
    except (OSError, ValueError):
        return None
