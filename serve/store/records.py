"""What a store tells of its tasks and of itself."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["StoreStatistics", "TaskRecord", "VersionRecord"]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class VersionRecord(_Record):
    """One version of a task."""

    version: str = Field(description="The first digits of the SHA-256 of its task.json.")
    created: datetime | None = Field(description="When it was saved; None where it is damaged.")
    is_current: bool = Field(description="Whether it is the one that answers.")
    is_resident: bool = Field(description="Whether it is in memory.")
    is_archived: bool = Field(
        description="Whether it is kept on disk apart from the task's folder."
    )


class TaskRecord(_Record):
    """What is known of a task."""

    name: str
    state: Literal["resident", "loading", "on_disk", "damaged"]
    version: str | None = Field(
        default=None, description="The one that answers; None where there is none."
    )
    versions: list[VersionRecord] = Field(default_factory=list, description="The newest first.")
    pinned: bool = Field(default=False, description="Whether it stays in memory.")
    head_kind: str | None = None
    head_config: dict[str, Any] = Field(default_factory=dict)
    adapter_kind: str | None = Field(
        default=None, description="None for the bare encoder; of several, joined by '+'."
    )
    setup: str | None = Field(
        default=None, description="How several adapters are put together: Stack('a', 'b')."
    )
    labels: list[str] | None = Field(default=None, description="Where its head has any.")
    metrics: dict[str, float] = Field(default_factory=dict, description="As it was saved with.")
    text: dict[str, Any] = Field(default_factory=dict, description="How its texts are read.")
    example: dict[str, Any] = Field(default_factory=dict, description="What it may be asked.")
    schemas: dict[str, Any] = Field(
        default_factory=dict,
        description="JSON schemas of its 'example' and, where its kind tells, its 'prediction'.",
    )
    target_fields: list[str] = Field(
        default_factory=list,
        description="Fields of its examples that hold what it is to answer; nobody asks with them.",
    )
    card: str | None = Field(default=None, description="Its README.md.")
    n_bytes: int = Field(default=0, description="Of its weights: in memory, or else on disk.")
    n_loads: int = Field(default=0, description="How often it was loaded, all versions.")
    n_hits: int = Field(default=0, description="How often it was asked for and was in memory.")
    error: str | None = Field(
        default=None,
        description="What is wrong with what lies on disk; an earlier version may still answer.",
    )


class StoreStatistics(_Record):
    """What a store holds and has done; numbers of loads and so on since it was made."""

    n_tasks: int = Field(description="Tasks on disk and in memory, damaged ones too.")
    n_resident: int = Field(description="Versions of tasks in memory.")
    n_bytes: int = Field(description="Of their weights.")
    n_leases: int = Field(description="Leases that are held now.")
    n_loading: int = Field(description="Versions that are being loaded or wait for it.")
    n_loads: int
    n_failures: int = Field(description="Loads that failed.")
    n_evictions: int = Field(description="Versions that made room for others.")
    n_hits: int = Field(description="Leases that were given at once.")
    n_misses: int = Field(description="Leases that had to wait for a load.")
    load_seconds: float = Field(description="Spent loading, all loaders together.")
