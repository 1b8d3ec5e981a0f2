"""The labelled texts that ship with polyhead: messages to a support desk."""

from __future__ import annotations

from importlib.resources import as_file, files
from typing import TYPE_CHECKING, Final

from polyhead.errors import InputError
from polyhead.registry import registry
from polyhead.train.data import read_examples

if TYPE_CHECKING:
    from polyhead.contracts import Example

__all__ = ["BUNDLED_LABELS", "bundled_examples"]

BUNDLED_LABELS: Final = ("urgency", "topic", "sentiment")
"""What each bundled text is labelled with."""


def bundled_examples(label: str) -> tuple[list[Example], list[Example]]:
    """The bundled texts with one of their labels, as examples of a classification head.

    Args:
        label: "urgency", "topic" or "sentiment".

    Returns:
        Training examples and held-out ones.

    Raises:
        InputError: The texts have no such label.
    """
    if label not in BUNDLED_LABELS:
        known = ", ".join(BUNDLED_LABELS)
        raise InputError(f"the bundled texts have no label {label!r}; they have: {known}.")
    return _part("train", label), _part("dev", label)


def _part(part: str, label: str) -> list[Example]:
    resource = files("polyhead.train") / "examples" / f"support_desk.{part}.jsonl"
    with as_file(resource) as path:
        head_class = registry().head("classification")
        return read_examples(path, head_class, columns={"label": label})
