"""Labels: their names and weights in configs, and which of them training examples may have."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from polyhead.errors import InputError, listing
from polyhead.heads.text_example import Label

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

__all__ = ["LabelNames", "LabelWeights", "check_known", "check_labelled"]


def _unique(labels: tuple[str, ...]) -> tuple[str, ...]:
    twice = [label for label, count in Counter(labels).items() if count > 1]
    if twice:
        raise ValueError(f"{twice[0]!r} is there twice")
    return labels


LabelNames = Annotated[tuple[Label, ...], AfterValidator(_unique)]
"""Names in the order of the logits, each there once."""


def _as_weights(value: object) -> object:
    if isinstance(value, list | tuple):
        return value
    raise ValueError("must be 'balanced' or a list of numbers, one a label")


LabelWeights = Annotated[tuple[Annotated[float, Field(gt=0)], ...], BeforeValidator(_as_weights)]
"""A weight for each label, in their order. "balanced" is for heads to replace in `configure`."""


def check_labelled(labels: Sequence[object], kind: str) -> None:
    """Refuses training examples that are none, or of which some have no label.

    Args:
        labels: The label of each example, None where it has none.
        kind: The head's kind, for the message.

    Raises:
        InputError: There are none, or a label is missing.
    """
    if not labels:
        raise InputError(f"there are no training examples for a {kind} task to learn from.")
    n_unlabelled = sum(label is None for label in labels)
    if n_unlabelled:
        raise InputError(
            f"{n_unlabelled} of {len(labels)} training examples have no label; a {kind} task "
            "learns from labels."
        )


def check_known(found: Iterable[Collection[str]], labels: Sequence[str]) -> None:
    """Refuses labels that the config does not have.

    Args:
        found: The labels of each training example.
        labels: Those of the config.

    Raises:
        InputError: An example has another; the error has its place.
    """
    known = set(labels)
    for number, own in enumerate(found):
        unknown = sorted(set(own) - known)
        if unknown:
            raise InputError(
                f"the label {unknown[0]!r} is not among the given ones: {listing(labels)}.",
                index=number,
            )
