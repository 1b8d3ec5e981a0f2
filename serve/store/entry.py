"""What a store knows of one task."""

from __future__ import annotations

from dataclasses import dataclass, field

from polyhead.artifact import SavedTask
from polyhead.errors import ArtifactError
from polyhead.serve.store.catalogue import Found, Stamp

__all__ = ["VERSION_DIGITS", "Entry", "Failure", "key_of", "version_of"]

VERSION_DIGITS = 12
_KEY_DIGITS = 24


@dataclass(frozen=True)
class Failure:
    """A version that could not be loaded.

    Attributes:
        error: Why.
        retry_at: When it may be tried again.
        delay_s: How long that was from the failure on.
        stamps: Of the files that lay in the task's folder then.
    """

    error: ArtifactError
    retry_at: float
    delay_s: float
    stamps: frozenset[tuple[str, Stamp]]


@dataclass(eq=False)
class Entry:
    """A task. Versions are named by the digests of their task.json.

    Attributes:
        found: Its folder.
        on_disk: The last version that its folder held and that could be read.
        target: The version that shall answer: what is on disk, or what it was rolled back to.
        current: The version that answered last, or was loaded to.
        is_pinned: Whether it stays in memory.
        failures: Versions that could not be loaded.
        notice: What an operator should know beside errors.
        headers: What was read of the version of that digest, to describe it.
        n_loads: Of all versions.
        n_hits: Likewise.
    """

    found: Found
    on_disk: str | None = None
    target: str | None = None
    current: str | None = None
    is_pinned: bool = False
    failures: dict[str, Failure] = field(default_factory=dict)
    notice: str | None = None
    headers: tuple[str, SavedTask] | None = None
    n_loads: int = 0
    n_hits: int = 0

    @property
    def name(self) -> str:
        """Of the task."""
        return self.found.name

    @property
    def error(self) -> str | None:
        """What is wrong with what shall answer, or with what lies on disk."""
        failure = self.failures.get(self.target or "")
        if failure is not None:
            return str(failure.error)
        return self.notice if self.found.error is None else str(self.found.error)


def version_of(digest: str) -> str:
    """What a version is called."""
    return digest[:VERSION_DIGITS]


def key_of(digest: str) -> str:
    """What a version is called in the model, where no other task or version is called so."""
    return "v" + digest[:_KEY_DIGITS]
