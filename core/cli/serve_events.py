"""Telling plugins of each batch that a command answers."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from polyhead.cli.truncation import count_cut

if TYPE_CHECKING:
    from polyhead.model import DistilBertModelWithHeads
    from polyhead.model.prediction import Question

__all__ = ["ServeEvents"]


class ServeEvents:
    """Tells the installed plugins' observers how each batch of some tasks went."""

    def __init__(
        self,
        model: "DistilBertModelWithHeads",
        tasks: Sequence[str],
        source: str,
        *,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """Finds the observers.

        Args:
            model: The model that answers.
            tasks: The tasks asked in each batch.
            source: Who answers, for the events.
            clock: Seconds since any moment.
        """
        from polyhead.contracts import ServeEvent
        from polyhead.host import EventObservers

        self._observers: EventObservers[ServeEvent] = EventObservers(
            "polyhead_serve_event", "serving"
        )
        self._model = model
        self._tasks = tasks
        self._source = source
        self._clock = clock

    @contextmanager
    def batch(self, n_examples: int) -> Iterator["list[Question]"]:
        """A list for the block to put its questions in; its end is told as one event a task.

        Args:
            n_examples: Examples that each task is asked.
        """
        questions: list[Question] = []
        started = self._clock()
        try:
            yield questions
        except Exception as error:
            reason = " ".join(str(error).split())
            what = {"event": "error", "error": type(error).__name__, "reason": reason}
            self._tell(questions, n_examples, self._clock() - started, what)
            raise
        self._tell(questions, n_examples, self._clock() - started, {"event": "answer"})

    def _tell(
        self, questions: "Sequence[Question]", n_examples: int, seconds: float, what: dict[str, Any]
    ) -> None:
        from polyhead.contracts import ServeEvent

        encoded = {question.task.name: question.encoded for question in questions}
        for name in self._tasks:
            task = self._model.tasks[name]
            kinds = [found.kind for found in self._model.adapters_of(task.adapter).values()]
            event = ServeEvent(
                task=name,
                head=self._model.heads[task.head].kind,
                adapter="+".join(kinds) or None,
                source=self._source,
                n_examples=n_examples,
                n_tokens=sum(item.n_tokens for item in encoded.get(name, ())),
                n_cut=count_cut(encoded.get(name, ())),
                n_tasks=len(self._tasks),
                seconds=seconds,
                **what,
            )
            self._observers.tell(event)
