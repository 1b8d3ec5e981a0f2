"""Checks of training: the loss leads somewhere."""

from __future__ import annotations

from typing import ClassVar, Final

import torch

from polyhead.testing.bench import SUBJECT, Bench
from polyhead.testing.case import Config, ConformanceCase
from polyhead.testing.failure import advising, require
from polyhead.train import Trainer, TrainSettings

__all__ = ["TrainChecks", "check_learns", "check_learns_alone"]

_STEPS: Final = 10


class TrainChecks(ConformanceCase):
    """What the trainer needs of a head or an adapter.

    Attributes:
        training: How the examples are learnt; enough for most losses.
    """

    training: ClassVar[TrainSettings] = TrainSettings(epochs=15, lr=0.02, warmup_ratio=0.0)

    def test_training_lowers_the_loss(self, config: Config) -> None:
        """A few steps on the examples, adapter and head together."""
        check_learns(self.bench(config), self.training, self.name())


def check_learns(bench: Bench, settings: TrainSettings, name: str) -> None:
    """Fails unless training on the examples makes their loss smaller."""
    encoder = bench.model.encoder.fingerprint()
    before = _loss(bench)
    with advising(f"{name} cannot be trained on the examples."):
        Trainer(bench.model, settings).fit(SUBJECT, bench.examples)
    _check_fell(before, _loss(bench), f"{settings.epochs} passes over the examples", name)
    require(
        bench.model.encoder.fingerprint() == encoder,
        f"training {name} changes the encoder's weights; write into nothing that it is given.",
    )


def check_learns_alone(bench: Bench, name: str) -> None:
    """Fails unless steps of the module under test make the loss smaller, all else left as it is."""
    lesson = bench.lesson()
    before = _loss(bench)
    optimizer = torch.optim.AdamW(bench.module.parameters(), lr=0.01)
    for _ in range(_STEPS):
        optimizer.zero_grad()
        torch.autograd.backward(bench.loss(lesson))
        optimizer.step()
    _check_fell(before, _loss(bench), f"{_STEPS} steps", name)


def _check_fell(before: float, after: float, what: str, name: str) -> None:
    """Fails unless a loss fell."""
    require(
        after < before - 0.01 * abs(before),
        f"{what} change the loss of {name} from {before:.4g} to {after:.4g}. Look for a wrong "
        "sign, a target that does not belong to its row, or a result that does not depend on the "
        "weights; a task that needs longer sets `training` in its test class.",
    )


def _loss(bench: Bench) -> float:
    with torch.inference_mode():
        return float(bench.loss(bench.lesson()))
