"""Telling observers what became of examples."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from polyhead.errors import PolyheadError
from polyhead.serve.codes import code_of
from polyhead.serve.failures import FAILURES
from polyhead.serve.observing import BatchReport, EngineObserver, TaskReport

if TYPE_CHECKING:
    from polyhead.serve.reading import AskedExample, AskedTask
    from polyhead.serve.request import Outcome
    from polyhead.serve.scheduling.waiting import Waiting

__all__ = ["Reporting"]

_log = logging.getLogger("polyhead.engine")


class Reporting:
    """Makes reports, and passes them on; an observer that fails is not called again."""

    def __init__(self, observers: Sequence[EngineObserver]) -> None:
        """Tells nothing yet.

        Args:
            observers: Are told; the list is read each time.
        """
        self._observers = observers
        self._failed: set[int] = set()

    def computed(
        self,
        batch: Sequence[Waiting[AskedExample]],
        outcomes: Mapping[AskedExample, Outcome],
        began: float,
        seconds: float,
    ) -> None:
        """Tells of a batch.

        Args:
            batch: What was computed.
            outcomes: What became of it.
            began: When that was begun, in seconds of the engine's clock.
            seconds: What it took.
        """
        if not self._observers:
            return
        tasks = tuple(
            _task_report(asked, examples, began, [outcomes[example.what] for example in examples])
            for asked, examples in _by_task(batch)
        )
        rows = sum(len(example.what.encoded.rows) for example in batch)
        tokens = sum(example.n_tokens for example in batch)
        self._tell(BatchReport(rows, tokens, seconds, tasks))

    def dropped(self, examples: Sequence[Waiting[AskedExample]], now: float, code: str) -> None:
        """Tells of examples that were not computed.

        Args:
            examples: Which.
            now: When they were dropped, in seconds of the engine's clock.
            code: Why.
        """
        if not examples or not self._observers:
            return
        tasks = tuple(
            TaskReport(
                asked.served,
                asked.head.kind,
                asked.adapter_kind,
                len(own),
                0,
                0,
                sum(now - example.since for example in own),
                {code: len(own)},
            )
            for asked, own in _by_task(examples)
        )
        self._tell(BatchReport(0, 0, 0.0, tasks))

    def _tell(self, report: BatchReport) -> None:
        for observer in tuple(self._observers):
            if id(observer) in self._failed:
                continue
            try:
                observer.batch(report)
            except FAILURES:  # whatever it is, answers are not touched
                self._failed.add(id(observer))
                _log.exception("an observer failed and is not called again: %r", observer)


def _by_task(
    examples: Iterable[Waiting[AskedExample]],
) -> Iterable[tuple[AskedTask, list[Waiting[AskedExample]]]]:
    found: dict[object, list[Waiting[AskedExample]]] = {}
    for example in examples:
        found.setdefault(example.what.asked.served, []).append(example)
    return [(own[0].what.asked, own) for own in found.values()]


def _task_report(
    asked: AskedTask,
    examples: Sequence[Waiting[AskedExample]],
    began: float,
    outcomes: Sequence[Outcome],
) -> TaskReport:
    errors = [outcome for outcome in outcomes if isinstance(outcome, PolyheadError)]
    return TaskReport(
        asked.served,
        asked.head.kind,
        asked.adapter_kind,
        len(examples),
        sum(example.n_tokens for example in examples),
        sum(example.what.encoded.is_cut for example in examples),
        sum(began - example.since for example in examples),
        Counter(map(code_of, errors)),
        " ".join(str(errors[0]).split()) if errors else None,
    )
