"""What a user writes for a task with any number of labels a text."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import AfterValidator, BeforeValidator, Field

from polyhead.heads.text_example import Label, TextOrPair

__all__ = ["MultilabelExample"]


def _as_labels(value: object) -> object:
    """The text of a table's cell as a list; an empty cell is an empty list."""
    if isinstance(value, str):
        return [part.strip() for part in value.split("|")] if value.strip() else []
    if value is None or isinstance(value, list | tuple | set | frozenset):
        return value
    raise ValueError("must be a list of labels, or a text with '|' between them")


def _each_once(labels: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(labels))


class MultilabelExample(TextOrPair):
    """One text, or a pair of texts, and all its labels where they are known."""

    target_fields: ClassVar[tuple[str, ...]] = ("labels",)

    labels: (
        Annotated[tuple[Label, ...], AfterValidator(_each_once), BeforeValidator(_as_labels)] | None
    ) = Field(
        default=None,
        description="Its labels, for training and evaluation: a list, which may be empty, or a "
        "text with '|' between them.",
    )
