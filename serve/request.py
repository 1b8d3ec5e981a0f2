"""What is asked in one call, and what became of each of its examples."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, InvalidStateError

from polyhead.contracts import Prediction
from polyhead.errors import CancelledError, PolyheadError
from polyhead.serve.served_task import ServedTask

__all__ = ["Outcome", "Request"]

_log = logging.getLogger("polyhead.engine")

Outcome = Prediction | PolyheadError
"""An example's answer, or why there is none."""


class Request:
    """Examples of one task or several, asked together.

    Attributes:
        done: Set when every example has its outcome; never to an exception, and never cancelled.
        is_cancelled: Whether nobody wants the answers any more.
    """

    def __init__(self, n_examples: Mapping[ServedTask, int]) -> None:
        """Takes note of what is asked.

        Args:
            n_examples: For each task how many examples it is asked.
        """
        self.done: Future[None] = Future()
        self.done.set_running_or_notify_cancel()  # an event loop that waits no more cancels it
        self.is_cancelled = False
        self._outcomes: dict[str, list[Outcome | None]] = {
            task.name: [None] * n for task, n in n_examples.items()
        }
        self._n_open = sum(n_examples.values())
        self._on_give_up: list[Callable[[], None]] = []
        self._lock = threading.Lock()
        if not self._n_open:
            self._finish()

    @property
    def outcomes(self) -> Mapping[str, Sequence[Outcome]]:
        """For each task's name the outcomes in the order of its examples.

        Raises:
            RuntimeError: Some are not there yet.
        """
        if not self.done.done():
            raise RuntimeError("the request is not done yet; wait for request.done.")
        return self._outcomes  # type: ignore[return-value]  # none is None any more

    def settle(self, task: ServedTask, place: int, outcome: Outcome) -> bool:
        """Gives one example its outcome; the first one stays.

        Returns:
            Whether it had none before.
        """
        with self._lock:
            outcomes = self._outcomes[task.name]
            if outcomes[place] is not None:
                return False
            outcomes[place] = outcome
            self._n_open -= 1
            is_last = not self._n_open
        if is_last:
            self._finish()
        return True

    def settle_rest(self, error: PolyheadError) -> None:
        """Gives every example that has none this outcome."""
        with self._lock:
            for outcomes in self._outcomes.values():
                outcomes[:] = [error if outcome is None else outcome for outcome in outcomes]
            self._n_open = 0
        self._finish()

    def give_up(self) -> None:
        """Says that nobody wants the answers any more: what is not computed yet will not be."""
        with self._lock:
            self.is_cancelled = True
            listeners, self._on_give_up = self._on_give_up, []
        for listener in listeners:
            listener()
        self.settle_rest(CancelledError("the answer was not wanted any more."))

    def when_given_up(self, listener: Callable[[], None]) -> None:
        """Has `listener` called when the request is given up before it is done; now, if it is."""
        with self._lock:
            is_late = self.is_cancelled
            if not is_late and not self.done.done():
                self._on_give_up.append(listener)
        if is_late:
            listener()

    def only_answer(self) -> Future[Prediction]:
        """The answer to the only example, or what is raised in its place.

        Whoever cancels it gives the request up.
        """
        answer: Future[Prediction] = Future()

        def settle(_: Future[None]) -> None:
            [[outcome]] = self.outcomes.values()
            if not answer.set_running_or_notify_cancel():
                return
            if isinstance(outcome, PolyheadError):
                answer.set_exception(outcome)
            else:
                answer.set_result(outcome)

        answer.add_done_callback(lambda found: self.give_up() if found.cancelled() else None)
        self.done.add_done_callback(settle)
        return answer

    def _finish(self) -> None:
        """Tells those who wait, once; what they do wrong then is not the teller's fault."""
        with self._lock:
            self._on_give_up = []  # they know the request, which else would know itself
        try:
            self.done.set_result(None)
        except InvalidStateError:  # another thread was faster
            pass
        except SystemExit:
            _log.exception("what waited for an engine's answers called sys.exit")
