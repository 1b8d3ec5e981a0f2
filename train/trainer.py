"""Training a task's adapter and head on the frozen encoder."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from polyhead.errors import InputError
from polyhead.train.learner import Learner
from polyhead.train.observers import Observers
from polyhead.train.result import TrainResult
from polyhead.train.run import Run
from polyhead.train.settings import TrainSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from polyhead.contracts import Example
    from polyhead.model import DistilBertModelWithHeads
    from polyhead.train.observers import Observer

__all__ = ["Trainer"]


class Trainer:
    """Trains one task of a model: its own adapter and head, and nothing else.

    With the same weights, examples and settings on the same machine, a run takes the same steps,
    bit for bit. A task's first weights are drawn when it is added: see `seeded`.

    Attributes:
        model: It has the task.
        settings: Of the runs.
    """

    def __init__(
        self,
        model: DistilBertModelWithHeads,
        settings: TrainSettings | None = None,
        *,
        observers: Iterable[Observer] = (),
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """Prepares for runs on `model`; nothing is changed yet.

        Args:
            model: It has the tasks to be trained.
            settings: `TrainSettings()` when not given.
            observers: Told of each event, besides the installed plugins' observers.
            clock: Returns seconds.
        """
        self.model = model
        self.settings = settings or TrainSettings()
        self._observers = tuple(observers)
        self._clock = clock

    def fit(
        self, task: str, train: Sequence[Example], evaluation: Sequence[Example] | None = None
    ) -> TrainResult:
        """Trains the task and leaves its best weights in the model.

        Ctrl-C ends the run, at any moment, and is no error: the model then holds the best weights
        so far or, before the first epoch is over, the current ones, and the result says so.

        Args:
            task: The name of a task of the model.
            train: Labelled examples.
            evaluation: Labelled examples by which the best epoch is chosen; without them it is the
                last one.

        Returns:
            What came of it.

        Raises:
            UnknownTaskError: The model has no such task.
            InputError: There is no example, a text or label cannot be used, or `patience` is set
                without evaluation examples.
            TrainError: The loss became infinite or no number. The model holds the best weights so
                far or, before the first epoch is over, those from before the run; so it does when
                anything else is raised.
        """
        started = self._clock()
        if self.settings.patience is not None and not evaluation:
            raise InputError("patience needs evaluation examples to tell which epoch is better.")
        learner = Learner(self.model, task, self.settings.seed)
        run = Run(self.model, self.settings, [learner], Observers(self._observers), self._clock)
        run.go([(train, evaluation or ())])
        return TrainResult(
            task=task,
            settings=self.settings,
            n_train=len(train),
            n_eval=len(evaluation or ()),
            best_epoch=learner.best_epoch,
            best_metrics=_finite(learner.best_figures),
            metrics=tuple(run.figures[0]),
            seconds=self._clock() - started,
            interrupted=run.interrupted,
            reason=run.reason,
            events=tuple(run.events),
        )


def _finite(figures: dict[str, float]) -> dict[str, float]:
    """The figures that a manifest can hold."""
    return {name: value for name, value in figures.items() if math.isfinite(value)}
