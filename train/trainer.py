"""Training tasks' adapters and heads on the frozen encoder."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from polyhead.errors import InputError, listing
from polyhead.train.learner import Learner
from polyhead.train.observers import Observers
from polyhead.train.result import TrainResult
from polyhead.train.run import Run
from polyhead.train.settings import TrainSettings
from polyhead.train.sharing import check_held

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from polyhead.contracts import Example
    from polyhead.model import DistilBertModelWithHeads
    from polyhead.train.observers import Observer

__all__ = ["Trainer"]


class Trainer:
    """Trains tasks of a model: their own adapters and heads, and nothing else.

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
        self,
        task: str,
        train: Sequence[Example],
        evaluation: Sequence[Example] | None = None,
        *,
        hold: str | Collection[str] = (),
    ) -> TrainResult:
        """Trains the task and leaves its best weights in the model.

        Of several adapters put together, those learn that `polyhead.composition.trained_names`
        tells: of a stack the last, of a fusion its own weights alone.

        Ctrl-C ends the run, at any moment, and is no error: the model then holds the best weights
        so far or, before the first epoch is over, the current ones, and the result says so.

        Args:
            task: The name of a task of the model.
            train: Labelled examples.
            evaluation: Labelled examples by which the best epoch is chosen; without them it is the
                last one.
            hold: Names of the task's adapters that shall not learn, or one name.

        Returns:
            What came of it.

        Raises:
            UnknownTaskError: The model has no such task.
            InputError: There is no example, a text or label cannot be used, `hold` names another
                adapter, or `patience` is set without evaluation examples.
            TrainError: The loss became infinite or no number. The model holds the best weights so
                far or, before the first epoch is over, those from before the run; so it does when
                anything else is raised.
        """
        return self.fit_together({task: (train, evaluation or ())}, hold={task: hold})[task]

    def fit_together(
        self,
        examples: Mapping[str, tuple[Sequence[Example], Sequence[Example] | None]],
        *,
        hold: Mapping[str, str | Collection[str]] | None = None,
    ) -> dict[str, TrainResult]:
        """Trains several tasks in one run: a step's rows are of any of them, drawn from all.

        Each task has its own labels, its own loss, its own gradients and its own best epoch. What
        several tasks share, an adapter for example, learns from all of them; they keep the epoch
        that is the best for them on the whole: that with the largest sum of relative gains.

        Args:
            examples: For each task's name its training and its evaluation examples; the latter may
                be empty or None.
            hold: For a task's name those of its adapters that shall not learn.

        Returns:
            What came of each.

        Raises:
            UnknownTaskError: The model has no such task.
            InputError: As in `fit`; or there is no task, `hold` names another one, or an adapter is
                held by one task and learns from another.
            TrainError: As in `fit`.
        """
        started = self._clock()
        given = {task: (train, evaluation or ()) for task, (train, evaluation) in examples.items()}
        if not given:
            raise InputError("there is no task to train; give examples of at least one.")
        if self.settings.patience is not None and not all(dev for _, dev in given.values()):
            raise InputError("patience needs evaluation examples to tell which epoch is better.")
        held = hold or {}
        strange = [task for task in held if task not in given]
        if strange:
            raise InputError(
                f"hold names the task {strange[0]!r}, which is not trained here; those that are: "
                f"{listing(list(given))}."
            )
        learners = [
            Learner(self.model, task, self.settings.seed, held.get(task, ())) for task in given
        ]
        check_held(learners)
        run = Run(self.model, self.settings, learners, Observers(self._observers), self._clock)
        run.go(list(given.values()))
        seconds = self._clock() - started
        return {
            learner.task.name: self._result(learner, run, number, given, seconds)
            for number, learner in enumerate(learners)
        }

    def _result(
        self,
        learner: Learner,
        run: Run,
        number: int,
        examples: Mapping[str, tuple[Sequence[Example], Sequence[Example]]],
        seconds: float,
    ) -> TrainResult:
        """What a run made of one of its tasks."""
        name = learner.task.name
        train, evaluation = examples[name]
        return TrainResult(
            task=name,
            settings=self.settings,
            n_train=len(train),
            n_eval=len(evaluation),
            best_epoch=learner.best_epoch,
            best_metrics=_finite(learner.best_figures),
            metrics=tuple(run.figures[number]),
            seconds=seconds,
            interrupted=run.interrupted,
            reason=run.reason,
            events=tuple(event for event in run.events if event.task == name),
        )


def _finite(figures: dict[str, float]) -> dict[str, float]:
    """The figures that a manifest can hold."""
    return {name: value for name, value in figures.items() if math.isfinite(value)}
