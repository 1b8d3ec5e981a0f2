"""One task's part in a training run."""

from __future__ import annotations

import math
from itertools import chain
from typing import TYPE_CHECKING

import torch
from torch import nn

from polyhead.composition import trained_names
from polyhead.contracts import SideAdapter, targets_of
from polyhead.errors import ContractError, InputError, listing
from polyhead.train.encoding import encode_labelled
from polyhead.train.evaluation import measured

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from torch import Tensor

    from polyhead.contracts import Encoded, Example, HeadOutput, Metrics
    from polyhead.model import ActivationCache, DistilBertModelWithHeads

__all__ = ["Learner"]


class Learner:
    """A task's own adapter and head, what they learn from, and the best weights they had.

    Attributes:
        task: The task.
        side: Its adapter, where that is a side adapter; else None.
        is_still: Whether what the encoder computes of its rows stays the same for the whole run.
        trained: The names of the adapters that learn; of several put together, those of
            `trained_names`.
        held: The names of those that act on its rows and do not learn.
        adapters: The adapters that learn.
        modules: Its head and these adapters.
        head_parameters: The head's, but for any it shares with the encoder.
        adapter_parameters: The adapters'.
        held_parameters: Of the adapters that do not learn.
        parameters: What is trained: both.
        train: The training examples, encoded.
        evaluation: The evaluation examples, encoded; empty without.
        best_epoch: The epoch whose weights are kept; 0 while they are those from before the run.
        best_figures: The figures of that epoch.
        primary: The figure by which the best epoch is chosen.
    """

    def __init__(
        self,
        model: DistilBertModelWithHeads,
        task: str,
        seed: int = 0,
        hold: str | Collection[str] = (),
    ) -> None:
        """Finds the task's modules and keeps a copy of their weights.

        Args:
            model: It has the task.
            task: The task's name.
            seed: Of what the head draws anew for each step.
            hold: Names of its adapters that do not learn, or one name.

        Raises:
            UnknownTaskError: The model has no such task.
            InputError: The task has no weights that could be trained, or `hold` names an adapter
                that it does not use.
        """
        self.model = model
        self.task = model.task(task)
        self.head = model.heads[self.task.head]
        self.modules: list[nn.Module] = [self.head]
        acting = model.adapters_of(self.task.adapter)
        wanted = {hold} if isinstance(hold, str) else set(hold)
        strange = sorted(map(str, wanted - acting.keys()))
        if strange:
            raise InputError(
                f"the task {task!r} does not use the adapter {strange[0]!r}, so it cannot be held; "
                f"it uses: {listing(list(acting))}."
            )
        trained = trained_names(self.task.adapter, model.adapter_table)
        self.trained = tuple(name for name in trained if name not in wanted)
        self.held = tuple(name for name in acting if name not in self.trained)
        self.side = next((a for a in acting.values() if isinstance(a, SideAdapter)), None)
        self.adapters = [acting[name] for name in self.trained]
        is_held = not self.trained and not any(part.training for part in acting.values())
        self.is_still = self.side is not None or is_held
        self.modules += self.adapters
        self.head_parameters = self._trainable(self.modules[:1])
        self.adapter_parameters = self._trainable(self.modules[1:])
        self.held_parameters = self._trainable([acting[name] for name in self.held])
        self.parameters = [*self.head_parameters, *self.adapter_parameters]
        if not self.parameters:
            raise InputError(
                f"the task {task!r} has no weights that could be trained; give it an adapter."
            )
        buffers = chain.from_iterable(module.buffers() for module in self.modules)
        self._weights: list[Tensor] = [*self.parameters, *buffers]
        self.train: list[Encoded] = []
        self.evaluation: list[Encoded] = []
        self.keep(0, {})
        self.primary = self.head.metrics().primary
        self._n_worse = 0
        self._generator = torch.Generator().manual_seed(seed)

    @property
    def device(self) -> torch.device:
        """Where the task's weights are."""
        return self.parameters[0].device

    def read(self, train: Sequence[Example], evaluation: Sequence[Example]) -> None:
        """Encodes the examples, once for the whole run.

        Raises:
            InputError: A text or label cannot be used.
        """
        self.train = encode_labelled(self.model, self.task, train, "training")
        if evaluation:
            self.evaluation = encode_labelled(self.model, self.task, evaluation, "evaluation")

    def draw(self, places: Sequence[int]) -> Sequence[Encoded]:
        """The training examples at `places`, as the next step computes them."""
        return self.head.draw([self.train[place] for place in places], self._generator)

    def loss(self, output: HeadOutput, encoded: Sequence[Encoded]) -> Tensor:
        """The mean loss over a batch. Shape: ()."""
        return self.head.loss(output, targets_of(encoded).to(self.device))

    def judge(
        self, epoch: int, train_loss: float, cache: ActivationCache | None = None
    ) -> tuple[dict[str, float], bool]:
        """Measures the weights an epoch ended with, and keeps them if they are the best so far.

        Args:
            epoch: Counted from 1.
            train_loss: The epoch's mean loss.
            cache: What the encoder computed in earlier epochs.

        Returns:
            The figures, and whether they are the best. Without evaluation examples the figure is
            the training loss, and the last epoch counts as the best.
        """
        figures, gain = self.measure(train_loss, cache)
        is_best = gain is None or gain > 0
        self.settle(epoch, figures, is_best=is_best)
        return figures, is_best

    def measure(
        self, train_loss: float, cache: ActivationCache | None = None
    ) -> tuple[dict[str, float], float | None]:
        """The figures of the weights as they are; arguments as those of `judge`.

        Returns:
            The figures, and by what share of itself the primary one is better than the best so far:
            above 0 where it is. None without evaluation examples.
        """
        if not self.evaluation:
            return {"train_loss": train_loss}, None
        metrics = measured(self.model, self.task, self.evaluation, cache=cache)
        figures = metrics.compute()
        return figures, self._gain(metrics, figures)

    def settle(self, epoch: int, figures: Mapping[str, float], *, is_best: bool) -> None:
        """Keeps the weights an epoch ended with, where they are the best so far."""
        if is_best:
            self.keep(epoch, figures)
        self._n_worse = 0 if is_best else self._n_worse + 1

    def is_out_of_patience(self, patience: int | None) -> bool:
        """Whether that many epochs in a row were not better than the best."""
        return patience is not None and self._n_worse >= patience

    def keep(self, epoch: int, figures: Mapping[str, float]) -> None:
        """Copies the weights as they are, as those of `epoch`."""
        copies = [weight.detach().clone() for weight in self._weights]
        # in one statement: Ctrl-C finds either the old copy or the new one
        self._kept, self.best_epoch, self.best_figures = copies, epoch, dict(figures)

    def restore(self) -> None:
        """Puts the kept weights back."""
        with torch.no_grad():
            for weight, copy in zip(self._weights, self._kept, strict=True):
                weight.copy_(copy)

    def _trainable(self, modules: Sequence[nn.Module]) -> list[nn.Parameter]:
        # a plugin's head may hold one of the encoder's matrices
        encoders = {id(weight) for weight in self.model.encoder.parameters()}
        weights = chain.from_iterable(module.parameters() for module in modules)
        return [w for w in weights if id(w) not in encoders and w.is_floating_point()]

    def _gain(self, metrics: Metrics, figures: Mapping[str, float]) -> float:
        self.primary = metrics.primary
        if self.primary not in figures:
            raise ContractError(
                f"the metrics of head kind {self.head.kind!r} have no figure {self.primary!r}, "
                f"which they call their primary one; they have: {', '.join(figures)}."
            )
        new = figures[self.primary]
        best = self.best_figures.get(self.primary, math.nan)
        if math.isnan(best):  # the first epoch, or none with a figure yet
            return math.inf if self.best_epoch == 0 or not math.isnan(new) else 0.0
        if math.isnan(new):
            return -math.inf
        change = new - best if metrics.higher_is_better else best - new
        size = abs(new) + abs(best)
        return change if change == 0 or math.isinf(size) else change / size
