"""What the tasks were asked so far and how long it took: live figures for the page of tasks."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from polyhead.serve.observing import BatchReport, TaskReport

__all__ = ["Figures", "TaskFigures"]

_MOST_TASKS: Final = 10_000


@dataclass(frozen=True)
class TaskFigures:
    """What one task was asked since the server started.

    Attributes:
        n_batches: Batches that it had a part in.
        n_examples: Examples, answered or not.
        n_tokens: Their tokens.
        n_errors: Those of them that got an error.
        queue_s: How long they waited, all together.
        compute_s: Its share of the time its batches took, by tokens.
        last_error: Some message among the errors of the last batch that had any.
    """

    n_batches: int = 0
    n_examples: int = 0
    n_tokens: int = 0
    n_errors: int = 0
    queue_s: float = 0.0
    compute_s: float = 0.0
    last_error: str | None = None

    @property
    def mean_queue_ms(self) -> float | None:
        """How long an example waited; None where there was none."""
        return 1000 * self.queue_s / self.n_examples if self.n_examples else None

    @property
    def mean_compute_ms(self) -> float | None:
        """What an example took of a batch's time; None where there was none."""
        return 1000 * self.compute_s / self.n_examples if self.n_examples else None

    def with_batch(self, report: TaskReport, compute_s: float) -> TaskFigures:
        """These and one batch more."""
        return replace(
            self,
            n_batches=self.n_batches + 1,
            n_examples=self.n_examples + report.n_examples,
            n_tokens=self.n_tokens + report.n_tokens,
            n_errors=self.n_errors + sum(report.errors.values()),
            queue_s=self.queue_s + report.queue_s,
            compute_s=self.compute_s + compute_s,
            last_error=report.first_error or self.last_error,
        )


_NONE: Final = TaskFigures()


class Figures:
    """An observer of an engine that keeps a few sums for each task.

    Its memory is that of the sums alone, and of 10,000 tasks at most: the ones last asked.
    """

    def __init__(self) -> None:
        self._of: OrderedDict[str, TaskFigures] = OrderedDict()
        self._lock = threading.Lock()

    def batch(self, report: BatchReport) -> None:
        """Takes note of a batch. Called by the engine."""
        seconds_per_token = report.seconds / report.n_tokens if report.n_tokens else 0.0
        with self._lock:
            for part in report.tasks:
                before = self._of.pop(part.task.name, _NONE)
                compute_s = part.n_tokens * seconds_per_token
                self._of[part.task.name] = before.with_batch(part, compute_s)
            while len(self._of) > _MOST_TASKS:
                self._of.popitem(last=False)

    def of(self, name: str) -> TaskFigures:
        """The figures of a task; zeros for one that was not asked yet."""
        with self._lock:
            return self._of.get(name, _NONE)
