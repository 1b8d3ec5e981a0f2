"""What a training run came to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from polyhead.contracts import TrainEvent
    from polyhead.train.settings import TrainSettings

__all__ = ["TrainResult"]


@dataclass(frozen=True)
class TrainResult:
    """A run that has ended; the model holds the weights of `best_epoch`.

    Attributes:
        task: The task that was trained.
        settings: Of the run.
        n_train: Number of training examples.
        n_eval: Number of evaluation examples; 0 without.
        best_epoch: The epoch whose weights the model holds, counted from 1. 0 for a run that was
            interrupted before the first was over: the model then holds the weights of that moment.
        best_metrics: The finite figures of that epoch: the head's metrics, or `train_loss` alone
            without evaluation examples. Empty for epoch 0.
        metrics: The figures of every epoch that was completed, the first epoch's first.
        seconds: From the call of `fit` to its end, tokenisation and evaluation included.
        interrupted: Whether Ctrl-C ended the run.
        reason: Why the run ended, in a few words.
        events: The run's start, its epochs and its end; steps are told to observers alone.
    """

    task: str
    settings: TrainSettings
    n_train: int
    n_eval: int
    best_epoch: int
    best_metrics: Mapping[str, float]
    metrics: tuple[Mapping[str, float], ...]
    seconds: float
    interrupted: bool
    reason: str
    events: tuple[TrainEvent, ...]
