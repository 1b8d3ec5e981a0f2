"""Labels: their names in configs, and what of them the training examples may have."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator

from polyhead.errors import InputError, listing
from polyhead.heads.text_example import Label

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

__all__ = ["LabelNames", "check_known", "check_labelled"]


def _unique(labels: tuple[str, ...]) -> tuple[str, ...]:
    twice = [label for label, count in Counter(labels).items() if count > 1]
    if twice:
        raise ValueError(f"{twice[0]!r} is there twice")
    return labels


LabelNames = Annotated[tuple[Label, ...], AfterValidator(_unique)]
"""Names in the order of the logits, each there once."""


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


def check_known(found: Collection[str], labels: Sequence[str]) -> None:
    """Refuses labels of the data that the config does not have.

    Raises:
        InputError: There is one; the message lists those of the config.
    """
    unknown = sorted(set(found) - set(labels))
    if unknown:
        raise InputError(
            f"the data has the label {unknown[0]!r}, which is not among the given ones: "
            f"{listing(labels)}."
        )
