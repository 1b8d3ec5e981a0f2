"""One task's part in a training run."""

from __future__ import annotations

import math
from itertools import chain
from typing import TYPE_CHECKING

import torch
from torch import nn

from polyhead.composition import trained_names
from polyhead.contracts import SideAdapter, targets_of
from polyhead.errors import ContractError, InputError
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
        reads_bare: Whether its rows go through the encoder as if they had no adapter.
        adapters: The adapters that learn; of several put together, those of `trained_names`.
        modules: Its head and these adapters.
        head_parameters: The head's, but for any it shares with the encoder.
        adapter_parameters: The adapters'.
        held_parameters: Of adapters that act on its rows and do not learn.
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
        hold: Collection[str] = (),
    ) -> None:
        """Finds the task's modules and keeps a copy of their weights.

        Args:
            model: It has the task.
            task: The task's name.
            seed: Of what the head draws anew for each step.
            hold: Names of its adapters that do not learn.

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
        strange = [name for name in hold if name not in acting]
        if strange:
            raise InputError(
                f"the task {task!r} does not use the adapter {strange[0]!r}, so it cannot be held; "
                f"it uses: {', '.join(acting) or 'none'}."
            )
        trained = [
            name
            for name in trained_names(self.task.adapter, model.adapter_table)
            if name not in hold
        ]
        self.side = next((a for a in acting.values() if isinstance(a, SideAdapter)), None)
        self.reads_bare = not acting or self.side is not None
        self.adapters = [model.adapters[name] for name in trained]
        self.modules += self.adapters
        self.head_parameters = self._trainable(self.modules[:1])
        self.adapter_parameters = self._trainable(self.modules[1:])
        held = [adapter for name, adapter in acting.items() if name not in trained]
        self.held_parameters = self._trainable(held)
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
        if not self.evaluation:
            figures = {"train_loss": train_loss}
            self.keep(epoch, figures)
            return figures, True
        metrics = measured(self.model, self.task, self.evaluation, cache=cache)
        figures = metrics.compute()
        is_best = self._is_better(metrics, figures)
        if is_best:
            self.keep(epoch, figures)
        self._n_worse = 0 if is_best else self._n_worse + 1
        return figures, is_best

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

    def _is_better(self, metrics: Metrics, figures: Mapping[str, float]) -> bool:
        self.primary = metrics.primary
        if self.primary not in figures:
            raise ContractError(
                f"the metrics of head kind {self.head.kind!r} have no figure {self.primary!r}, "
                f"which they call their primary one; they have: {', '.join(figures)}."
            )
        new = figures[self.primary]
        best = self.best_figures.get(self.primary, math.nan)
        if math.isnan(best):  # the first epoch, or none with a figure yet
            return self.best_epoch == 0 or not math.isnan(new)
        return new > best if metrics.higher_is_better else new < best
