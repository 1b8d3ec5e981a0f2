"""What an engine tells of each batch: to metrics, plugins and whoever else looks on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from polyhead.serve.served_task import ServedTask

__all__ = ["BatchReport", "EngineObserver", "TaskReport"]


@dataclass(frozen=True)
class TaskReport:
    """One task's examples in a batch.

    Attributes:
        task: The task.
        head_kind: Its kind of head.
        adapter_kind: Its kind of adapter, several with "+" between; None for the bare encoder.
        n_examples: How many were in the batch, answered or not.
        n_tokens: Of their rows.
        n_cut: How many had been cut to the longest length.
        queue_s: Seconds that they had waited, all together.
        errors: How many were not answered, by the code of the reason.
        first_error: What the first of these said.
    """

    task: ServedTask
    head_kind: str
    adapter_kind: str | None
    n_examples: int
    n_tokens: int
    n_cut: int
    queue_s: float
    errors: Mapping[str, int] = field(default_factory=dict)
    first_error: str | None = None


@dataclass(frozen=True)
class BatchReport:
    """A batch that was computed, or what was dropped without being computed.

    Attributes:
        n_rows: Rows computed, once however often they had to be.
        n_tokens: Of these rows.
        seconds: What it took.
        tasks: The tasks that were asked.
    """

    n_rows: int
    n_tokens: int
    seconds: float
    tasks: tuple[TaskReport, ...]


class EngineObserver(Protocol):
    """Looks on."""

    def batch(self, report: BatchReport) -> None:
        """Is called after each batch, in the thread that computes: it must be quick.

        One that raises is reported in the log and not called again.
        """
