"""The course of one training run: epochs, steps, evaluations, and its end."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn

from polyhead.contracts import TrainEvent
from polyhead.errors import TrainError
from polyhead.model import HeadCall
from polyhead.train.activations import activation_cache
from polyhead.train.modes import trainable
from polyhead.train.sampler import shuffled_batches
from polyhead.train.schedule import lr_factor, n_warmup_steps
from polyhead.train.seeds import seeded
from polyhead.train.sharing import groups_of, is_best_of_all

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from polyhead.contracts import Encoded, Example
    from polyhead.model import ActivationCache, DistilBertModelWithHeads
    from polyhead.train.learner import Learner
    from polyhead.train.observers import Observers
    from polyhead.train.settings import TrainSettings

__all__ = ["Run"]


class Run:
    """One training run, and how far it is.

    The rows of several tasks may share a step; each task has its own loss, gradient norm and best
    epoch, but for tasks that share weights, which have a norm and an epoch between them.
    `Trainer.fit` runs one task.

    Attributes:
        model: The model.
        settings: Of the run.
        learners: The tasks that are trained.
        figures: Each learner's figures after every epoch so far.
        events: What happened, steps left out.
        interrupted: Whether Ctrl-C ended the run.
        reason: Why it ended.
    """

    def __init__(
        self,
        model: DistilBertModelWithHeads,
        settings: TrainSettings,
        learners: Sequence[Learner],
        observers: Observers,
        clock: Callable[[], float],
    ) -> None:
        """Prepares a run; nothing is changed yet.

        Args:
            model: It has the learners' tasks.
            settings: Of the run.
            learners: The tasks to train.
            observers: Told of each event.
            clock: Returns seconds.
        """
        self.model = model
        self.settings = settings
        self.learners = learners
        self._groups = groups_of(learners)
        self.figures: list[list[dict[str, float]]] = [[] for _ in learners]
        self.events: list[TrainEvent] = []
        self.interrupted = False
        self.reason = ""
        self._observers = observers
        self._clock = clock
        self._epoch = self._step = self._n_steps = 0
        self._lr = 0.0
        self._cache: ActivationCache | None = None

    def go(self, examples: Sequence[tuple[Sequence[Example], Sequence[Example]]]) -> None:
        """Trains until the run ends, and leaves the best weights in the model.

        Args:
            examples: The training and the evaluation examples of each learner.

        Raises:
            InputError: A text or label cannot be used.
            TrainError: The loss or the gradient of a task became infinite or no number.
        """
        settings = self.settings
        n_train = sum(len(train) for train, _ in examples)
        self._n_steps = math.ceil(n_train / settings.batch_size) * settings.epochs
        try:
            for learner in self.learners:
                self._tell(learner, "start", settings=settings.model_dump())
            for learner, (train, evaluation) in zip(self.learners, examples, strict=True):
                learner.read(train, evaluation)
            self._cache = activation_cache(self.learners, settings)
            self.reason = self._train()
        except KeyboardInterrupt:
            self.interrupted = True
        except BaseException:
            self.reason = f"failed in epoch {self._epoch}" if self._epoch else "failed at once"
            self._end(restore=self.learners)
            raise
        self._end(restore=[learner for learner in self.learners if learner.best_epoch])

    def _train(self) -> str:
        """All epochs; returns why they ended."""
        modules = [module for learner in self.learners for module in learner.modules]
        parameters = list(
            dict.fromkeys(weight for learner in self.learners for weight in learner.parameters)
        )
        held = [weight for learner in self.learners for weight in learner.held_parameters]
        optimizer = _optimizer(self.learners, self.settings)
        order = torch.Generator().manual_seed(self.settings.seed)
        with (
            trainable(modules, parameters, held),
            seeded(self.settings.seed, self.learners[0].device),
        ):
            for epoch in range(1, self.settings.epochs + 1):
                self._epoch = epoch
                self._finish_epoch(*self._train_epoch(optimizer, order))
                patience = self.settings.patience
                if all(learner.is_out_of_patience(patience) for learner in self.learners):
                    return f"no better {self.learners[0].primary} for {patience} epochs"
        return f"finished {self.settings.epochs} epochs"

    def _train_epoch(
        self, optimizer: torch.optim.Optimizer, order: torch.Generator
    ) -> tuple[list[float], float]:
        """Each learner's mean loss over its steps, and the seconds they took."""
        started = self._clock()
        losses: list[list[float]] = [[] for _ in self.learners]
        sizes = [len(learner.train) for learner in self.learners]
        for batch in shuffled_batches(sizes, self.settings.batch_size, order):
            step_losses = self._take_step(batch, optimizer)
            for (number, _), loss in zip(batch, step_losses, strict=True):
                losses[number].append(loss)
                self._tell(self.learners[number], "step", lr=self._lr, train_loss=loss)
        return [math.fsum(each) / len(each) for each in losses], self._clock() - started

    def _take_step(
        self, batch: Sequence[tuple[int, list[int]]], optimizer: torch.optim.Optimizer
    ) -> list[float]:
        """One step on rows of one or several tasks; returns the loss of each."""
        parts = [
            (self.learners[number], self.learners[number].draw(places)) for number, places in batch
        ]
        outputs = self.model.compute(
            [HeadCall.of(learner.task, encoded) for learner, encoded in parts], self._cache
        )
        losses = [
            learner.loss(output, encoded)
            for (learner, encoded), output in zip(parts, outputs, strict=True)
        ]
        values = [float(loss.detach()) for loss in losses]
        for (learner, _), value in zip(parts, values, strict=True):
            self._check_finite(learner, "loss", value)
        torch.autograd.backward([*losses, *_penalties(parts)])
        self._clip([learner for learner, _ in parts])
        factor = lr_factor(
            self._step, self._n_steps, n_warmup_steps(self._n_steps, self.settings.warmup_ratio)
        )
        self._lr = self.settings.lr * factor
        for group in optimizer.param_groups:
            group["lr"] = group["highest_lr"] * factor
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        # fused, it does not count its writes, by which caches of answers tell that they are old
        for group in optimizer.param_groups:
            torch.autograd.graph.increment_version(group["params"])
        self._step += 1
        return values

    def _clip(self, learners: Sequence[Learner]) -> None:
        """Shortens each task's own gradient, so that one task's never depends on another's.

        Only tasks that share weights have one gradient.
        """
        if self.settings.max_grad_norm is None:
            return
        for group in self._groups:
            present = [learner for learner in group if learner in learners]
            weights = dict.fromkeys(weight for learner in present for weight in learner.parameters)
            if present:
                norm = nn.utils.clip_grad_norm_(list(weights), self.settings.max_grad_norm)
                self._check_finite(present[0], "gradient", float(norm))

    def _check_finite(self, learner: Learner, what: str, value: float) -> None:
        if math.isfinite(value):
            return
        kept = f"those of epoch {learner.best_epoch}" if learner.best_epoch else "as before the run"
        raise TrainError(
            f"the {what} of the task {learner.task.name!r} became {value} in epoch {self._epoch}, "
            f"step {self._step + 1}; its weights are {kept}. Lower the learning rate "
            f"({self.settings.lr:g}) or lengthen the warm-up.",
            learner.best_epoch,
        )

    def _finish_epoch(self, losses: Sequence[float], train_s: float) -> None:
        loss_of = dict(zip(self.learners, losses, strict=True))
        for group in self._groups:
            measured = []
            for learner in group:
                started = self._clock()
                figures, gain = learner.measure(loss_of[learner], self._cache)
                eval_s = self._clock() - started if learner.evaluation else None
                measured.append((learner, figures, gain, eval_s))
            is_best = is_best_of_all([gain for _, _, gain, _ in measured])
            for learner, figures, _, eval_s in measured:
                learner.settle(self._epoch, figures, is_best=is_best)
                self.figures[self.learners.index(learner)].append(figures)
                self._tell(
                    learner,
                    "epoch",
                    lr=self._lr,
                    train_loss=loss_of[learner],
                    train_s=train_s,
                    eval_s=eval_s,
                    metrics=figures if learner.evaluation else None,
                    is_best=is_best,
                )

    def _end(self, restore: Sequence[Learner]) -> None:
        """Puts the best weights in place and tells of the end, Ctrl-C or not."""
        self._cache = None  # memory that nobody needs any more
        for learner in restore:
            self._restore(learner)
        if self.interrupted:
            self.reason = (
                f"interrupted in epoch {self._epoch}" if self._epoch else "interrupted at once"
            )
        for learner in self.learners:
            try:
                self._tell(learner, "end", metrics=learner.best_figures or None, reason=self.reason)
            except KeyboardInterrupt:
                self.interrupted = True

    def _restore(self, learner: Learner) -> None:
        while True:
            try:
                learner.restore()
            except KeyboardInterrupt:  # half of the weights may be back: once more, all of them
                self.interrupted = True
            else:
                return

    def _tell(
        self, learner: Learner, event: Literal["start", "step", "epoch", "end"], **fields: Any
    ) -> None:
        told = TrainEvent(
            event=event,
            task=learner.task.name,
            epoch=self._epoch,
            step=self._step,
            n_steps=self._n_steps,
            **fields,
        )
        if event != "step":
            self.events.append(told)
        self._observers.tell(told)


def _penalties(parts: Sequence[tuple[Learner, Sequence[Encoded]]]) -> list[Tensor]:
    """What the adapters of a step's tasks add to its loss, each once."""
    adapters = dict.fromkeys(adapter for learner, _ in parts for adapter in learner.adapters)
    found = [adapter.penalty() for adapter in adapters]
    return [penalty for penalty in found if penalty is not None]


def _optimizer(learners: Sequence[Learner], settings: TrainSettings) -> torch.optim.Optimizer:
    lr, head_lr = settings.lr, settings.head_lr or settings.lr
    heads = [weight for learner in learners for weight in learner.head_parameters]
    adapters = [weight for learner in learners for weight in learner.adapter_parameters]
    groups = [*_groups(heads, head_lr, settings), *_groups(adapters, lr, settings)]
    # four times as fast as the default on a CPU, where it has to be asked for
    is_fusible = all(weight.device.type in {"cpu", "cuda"} for weight in (*heads, *adapters))
    return torch.optim.AdamW(groups, lr=lr, fused=is_fusible or None)


def _groups(
    parameters: Sequence[nn.Parameter], lr: float, settings: TrainSettings
) -> Iterator[dict[str, Any]]:
    """Matrices and vectors apart: biases and norms are not decayed."""
    distinct = list(dict.fromkeys(parameters))  # tasks may share an adapter
    for is_matrix, decay in ((True, settings.weight_decay), (False, 0.0)):
        chosen = [weight for weight in distinct if (weight.ndim > 1) is is_matrix]
        if chosen:
            yield {"params": chosen, "weight_decay": decay, "highest_lr": lr}
