"""Checks of gradients: training changes a head or an adapter, and nothing else."""

from __future__ import annotations

import torch

from polyhead.batch import Row
from polyhead.contracts import targets_of
from polyhead.model import HeadCall
from polyhead.testing.bench import OTHER, SPARE, Bench
from polyhead.testing.case import Config, ConformanceCase
from polyhead.testing.failure import advising, require
from polyhead.train import seeded

__all__ = ["GradientChecks", "backward"]


class GradientChecks(ConformanceCase):
    """What a training step needs of a head or an adapter."""

    def test_gradients_reach_all_its_weights(self, config: Config) -> None:
        """A weight without a gradient is never trained, and is saved all the same."""
        bench = self.bench(config)
        backward(bench, self.name())
        weights = {name: w for name, w in bench.module.named_parameters() if w.numel()}
        unreached = [name for name, weight in weights.items() if weight.grad is None]
        require(
            not unreached,
            f"the loss has no gradient for the weights {unreached} of {self.name()}. Use them in "
            "what is computed, without detach, no_grad, item or argmax on the way; give examples "
            "that need them; or make buffers of them, if they are not to be trained.",
        )
        broken = [
            name
            for name, weight in weights.items()
            if weight.grad is not None and not bool(weight.grad.isfinite().all())
        ]
        require(
            not broken,
            f"the gradients of {broken} are not finite; look for a square root, a logarithm or a "
            "division at 0, and for infinity times 0.",
        )

    def test_gradients_reach_nothing_else(self, config: Config) -> None:
        """Neither the encoder nor another adapter or head is trained or changed."""
        bench = self.bench(config)
        model = bench.model
        before = model.encoder.fingerprint()
        backward(bench, self.name())
        require(
            model.encoder.fingerprint() == before,
            f"{self.name()} writes into the encoder's weights, which all tasks share; write into "
            "nothing that it is given.",
        )
        others = {
            "the encoder": model.encoder,
            "another head": model.heads[OTHER],
            "another adapter": model.adapters[OTHER],
            "an adapter that no row names": model.adapters[SPARE],
        }
        for what, module in others.items():
            weights = dict(module.named_parameters())
            # rows that share a batch share a graph: others' weights get zeros from it
            reached = [
                name
                for name, weight in weights.items()
                if weight.grad is not None and bool(weight.grad.any())
            ]
            if module is model.encoder:
                reached += [name for name, weight in weights.items() if weight.requires_grad]
            require(
                not reached,
                f"training {self.name()} gives {what} gradients, for {reached[:3]}. Never set "
                "requires_grad of what is not your own, and keep no part of another module.",
            )


def backward(bench: Bench, name: str) -> None:
    """One training step's gradients; rows of another task are in the batch and not in the loss."""
    lesson = bench.lesson()
    foreign = HeadCall(OTHER, (Row((2, 9, 3)), Row((2, 9, 8, 3))), (OTHER, None))
    bench.model.train()
    with seeded(0):
        output, _ = bench.model.compute([HeadCall.of(bench.task, lesson), foreign])
        with advising(
            f"the loss of {name} cannot be derived; it must be one number, computed from the "
            "output without leaving torch."
        ):
            torch.autograd.backward(bench.head.loss(output, targets_of(lesson)))
