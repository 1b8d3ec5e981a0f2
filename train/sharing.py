"""Which tasks of a run learn the same weights, and which of their epochs is the best of all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from polyhead.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from polyhead.train.learner import Learner

__all__ = ["check_held", "groups_of", "is_best_of_all"]


def groups_of(learners: Sequence[Learner]) -> list[list[Learner]]:
    """The learners, those together that share weights, directly or by way of others."""
    groups: list[tuple[list[Learner], set[int]]] = []
    for learner in learners:
        members, weights = [learner], set(map(id, learner.parameters))
        apart = []
        for others, theirs in groups:
            if weights & theirs:
                members, weights = others + members, weights | theirs
            else:
                apart.append((others, theirs))
        groups = [*apart, (members, weights)]
    place = {learner: number for number, learner in enumerate(learners)}
    ordered = [sorted(members, key=place.__getitem__) for members, _ in groups]
    return sorted(ordered, key=lambda members: place[members[0]])


def is_best_of_all(gains: Sequence[float | None]) -> bool:
    """Whether an epoch is better than the best so far, for tasks that share weights.

    Such tasks keep one epoch between them, since what they share has one set of weights.

    Args:
        gains: Of each task as `Learner.measure` tells; None for one that is not evaluated, which
            has no say. With no evaluation at all the last epoch is the best.
    """
    told = [gain for gain in gains if gain is not None]
    return not told or sum(told) > 0


def check_held(learners: Sequence[Learner]) -> None:
    """Refuses an adapter that one task holds and another one trains: it would learn from both.

    Raises:
        InputError: There is one.
    """
    for learner in learners:
        for other in learners:
            both = [name for name in learner.held if name in other.trained]
            if both:
                raise InputError(
                    f"the task {learner.task.name!r} goes through the adapter {both[0]!r} without "
                    f"teaching it, and the task {other.task.name!r} trains it; train them one "
                    "after the other."
                )
