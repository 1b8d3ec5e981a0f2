"""Which parameters take gradients, and which modules are in training mode, for how long."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from torch import nn

__all__ = ["evaluating", "trainable"]


@contextmanager
def trainable(
    modules: Sequence[nn.Module],
    parameters: Iterable[nn.Parameter],
    held: Iterable[nn.Parameter] = (),
) -> Iterator[None]:
    """Inside, `modules` are in training mode and `parameters` take gradients.

    Afterwards every mode and flag is what it was, and the parameters hold no gradients.

    Args:
        modules: What learns.
        parameters: Its weights.
        held: Weights that take none, where they are not among `parameters`.
    """
    learning = dict.fromkeys(parameters, True)
    wanted = dict.fromkeys(held, False) | learning
    flags = [(parameter, parameter.requires_grad) for parameter in wanted]
    with _mode(modules, training=True):
        try:
            for parameter, takes in wanted.items():
                parameter.requires_grad_(takes)
            yield
        finally:
            for parameter, flag in flags:
                parameter.requires_grad_(flag)
                parameter.grad = None


@contextmanager
def evaluating(modules: Sequence[nn.Module]) -> Iterator[None]:
    """Inside, `modules` are in evaluation mode; afterwards every mode is what it was."""
    with _mode(modules, training=False):
        yield


@contextmanager
def _mode(modules: Sequence[nn.Module], *, training: bool) -> Iterator[None]:
    before = [(part, part.training) for module in modules for part in module.modules()]
    try:
        for module in modules:
            module.train(training)
        yield
    finally:
        # each part's own flag: a part that its owner keeps in evaluation mode stays there
        for part, mode in before:
            part.training = mode
