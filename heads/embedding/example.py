"""What a user writes for a task on the likeness of texts."""

from __future__ import annotations

from typing import Annotated, ClassVar, Self

from pydantic import BeforeValidator, Field, model_validator

from polyhead.contracts import Example

__all__ = ["EmbeddingExample"]


def _as_several(value: object) -> object:
    """A single text is a list of one."""
    if isinstance(value, str):
        return (value,)
    if isinstance(value, list | tuple):
        return value
    raise ValueError("must be a list of texts, or a text")


def _as_score(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("must be a number")  # noqa: TRY004 - pydantic reads ValueError
    return value


class EmbeddingExample(Example):
    """A text, and what is known of its likeness to others.

    A text alone is to be embedded. For training and evaluation it has a second text: a likeness in
    numbers with it, or none where the two belong together and texts of other pairs do not.
    """

    # no field is only for training: `label` and `negatives` may both be missing there
    target_fields: ClassVar[tuple[str, ...]] = ()

    text: str = Field(description="The text.")
    text_pair: str | None = Field(
        default=None,
        description="A text to compare with: the passage of a question, a paraphrase.",
        examples=["a text to compare with"],
    )
    label: Annotated[float | None, BeforeValidator(_as_score)] = Field(
        default=None,
        allow_inf_nan=False,
        description="How alike the two are, in any range; None where they belong together.",
    )
    negatives: Annotated[tuple[str, ...], BeforeValidator(_as_several)] = Field(
        default=(), description="Texts that do not belong to the first although they seem to."
    )

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.text_pair is None and self.label is not None:
            raise ValueError("it has a score and no second text; the score is that of two texts")
        if self.text_pair is None and self.negatives:
            raise ValueError(
                "it has negatives and no second text; give the text that belongs to the first"
            )
        if self.label is not None and self.negatives:
            raise ValueError("it has a score and negatives; give one of them")
        return self
