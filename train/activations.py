"""What the encoder computes of each text, kept from one epoch of a run to the next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from polyhead.model import ActivationCache, layers_read

if TYPE_CHECKING:
    from collections.abc import Sequence

    from polyhead.train.learner import Learner
    from polyhead.train.settings import TrainSettings

__all__ = ["activation_cache"]

_GB: Final = 10**9


def activation_cache(
    learners: Sequence[Learner], settings: TrainSettings
) -> ActivationCache | None:
    """An empty cache for a run; None where nothing would be found in it again.

    Kept are rows of the bare encoder, and of adapters that do not learn in the run.

    What a head draws anew in each step, such as a language model's masked texts, is not kept.

    Args:
        learners: The tasks of the run; their examples are read already.
        settings: Of the run.
    """
    if settings.activation_cache == 0 or settings.epochs == 1:
        return None
    rows = [
        row
        for learner in learners
        if learner.is_still
        for encoded in (*learner.train, *learner.evaluation)
        for row in encoded.rows
    ]
    # of all tasks: a step may hold rows of several
    layers = frozenset[int]().union(
        *(layers_read(learner.head, learner.side) for learner in learners)
    )
    if not rows or not layers:
        return None
    setups = {None, *(learner.task.adapter for learner in learners if learner.is_still)}
    return ActivationCache(layers, int(settings.activation_cache * _GB), rows, setups)
