"""Telling plugins of each batch that a server answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from polyhead.contracts import ServeEvent
from polyhead.host import EventObservers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from polyhead.serve.observing import BatchReport, TaskReport

__all__ = ["PluginEvents"]


class PluginEvents:
    """Tells the installed plugins' observers how each batch went: an EngineObserver."""

    def __init__(self) -> None:
        self._observers: EventObservers[ServeEvent] = EventObservers(
            "polyhead_serve_event", "serving"
        )

    def batch(self, report: BatchReport) -> None:
        """One event a task for what was answered, and one for what was not."""
        for task in report.tasks:
            for event in _events(task, report):
                self._observers.tell(event)


def _events(task: TaskReport, report: BatchReport) -> Iterator[ServeEvent]:
    n_failed = sum(task.errors.values())
    about: dict[str, Any] = {
        "task": task.task.name,
        "head": task.head_kind,
        "adapter": task.adapter_kind,
        "source": "serve",
        "n_tasks": max(1, len(report.tasks)),
        "seconds": report.seconds,
    }
    n_answered = task.n_examples - n_failed
    if n_answered:
        yield ServeEvent(
            event="answer",
            n_examples=n_answered,
            n_tokens=task.n_tokens,
            n_cut=task.n_cut,
            queue_s=task.queue_s / task.n_examples,
            **about,
        )
    if n_failed:
        yield ServeEvent(
            event="error",
            n_examples=n_failed,
            error=next(iter(task.errors)),
            reason=" ".join((task.first_error or "").split()) or None,
            **about,
        )
