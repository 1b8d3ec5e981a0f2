"""How good a task is on labelled examples."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import torch

from polyhead.model import BATCH_TOKENS, HeadCall
from polyhead.routing import token_batches
from polyhead.train.encoding import encode_labelled
from polyhead.train.modes import evaluating

if TYPE_CHECKING:
    from collections.abc import Sequence

    from polyhead.contracts import Encoded, Example, Metrics
    from polyhead.model import ActivationCache, DistilBertModelWithHeads, Task

__all__ = ["evaluate", "measured"]

_SEED: Final = 0
"""Of what a head draws for its evaluation, such as a language model's masks."""


def evaluate(
    model: DistilBertModelWithHeads,
    task: str,
    examples: Sequence[Example],
    *,
    batch_tokens: int = BATCH_TOKENS,
) -> dict[str, float]:
    """The figures that the task's head measures itself by.

    Args:
        model: It has the task.
        task: The task's name.
        examples: At least one, each with its label.
        batch_tokens: Most tokens of one batch; it changes time and memory, not the figures.

    Raises:
        UnknownTaskError: The model has no such task.
        InputError: There is no example, one has no label, or a text or label cannot be used.
    """
    found = model.task(task)
    encoded = encode_labelled(model, found, examples, "evaluation")
    return measured(model, found, encoded, batch_tokens).compute()


def measured(
    model: DistilBertModelWithHeads,
    task: Task,
    encoded: Sequence[Encoded],
    batch_tokens: int = BATCH_TOKENS,
    cache: ActivationCache | None = None,
) -> Metrics:
    """The head's metrics, filled with its outputs for examples that are encoded already.

    Args:
        model: It has the task.
        task: The task.
        encoded: The labelled examples.
        batch_tokens: As in `evaluate`.
        cache: What the encoder computed of them before; it must keep all layers that they read.
    """
    head = model.heads[task.head]
    modules = [head, *model.adapters_of(task.adapter).values()]
    metrics = head.metrics()
    # all at once and from one seed: the figures depend neither on the batches nor on the epoch
    encoded = head.draw(encoded, torch.Generator().manual_seed(_SEED))
    with evaluating(modules), torch.inference_mode():
        for places in token_batches([item.n_tokens for item in encoded], batch_tokens):
            batch = [encoded[place] for place in places]
            [output] = model.compute([HeadCall.of(task, batch)], cache)
            metrics.update(output, batch)
    return metrics
