"""What a user writes for a task on the words of texts."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Annotated, ClassVar, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from polyhead.contracts import Example
from polyhead.errors import shown
from polyhead.heads.text_example import Label

__all__ = ["TaggingEntity", "TaggingExample"]


def _as_list(value: object) -> object:
    if value is None or isinstance(value, list | tuple):
        return value
    raise ValueError("must be a list")


AsList = BeforeValidator(_as_list)


class TaggingEntity(BaseModel):
    """A part of a text and what it is.

    Fields that annotation tools add are not read; start, end and label as a list do as well.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    start: int = Field(ge=0, description="Its first character, counted from 0.")
    end: int = Field(ge=0, description="The character after its last.")
    label: Label = Field(description="What it is.")

    @model_validator(mode="before")
    @classmethod
    def _named(cls, value: object) -> object:
        if isinstance(value, list | tuple) and len(value) == len(cls.model_fields):
            return dict(zip(cls.model_fields, value, strict=True))
        if not isinstance(value, Mapping | cls):
            form = 'must be an object such as {"start": 0, "end": 5, "label": "PER"}'
            raise ValueError(form)  # noqa: TRY004 - pydantic reads ValueError
        return value


class TaggingExample(Example):
    """One text, whole or as its words, and where they are known its tags or its entities."""

    target_fields: ClassVar[tuple[str, ...]] = ("tags", "entities")

    text: str | None = Field(default=None, description="The text, to be split into words here.")
    tokens: Annotated[tuple[str, ...] | None, AsList] = Field(
        default=None, description="The text's words, in place of the text."
    )
    tags: Annotated[tuple[Label, ...] | None, AsList] = Field(
        default=None, description="One tag a word, for training and evaluation."
    )
    entities: Annotated[tuple[TaggingEntity, ...] | None, AsList] = Field(
        default=None,
        description="All entities of the text, in place of tags; their characters are those of "
        "the text, or of the words with a space between.",
    )

    @property
    def content(self) -> str:
        """The text, or the words with a space between: what characters are counted in."""
        return " ".join(self.tokens or ()) if self.text is None else self.text

    @model_validator(mode="after")
    def _one_text(self) -> Self:
        if (self.text is None) == (self.tokens is None):
            state = "neither is there" if self.text is None else "both are there"
            raise ValueError(f"it takes a text or its tokens, and {state}")
        if self.tokens is not None and not self.tokens:
            raise ValueError("the list of tokens is empty")
        return self

    @model_validator(mode="after")
    def _one_tag_a_word(self) -> Self:
        if self.tags is None:
            return self
        if self.tokens is None:
            raise ValueError("tags need tokens, one a tag; a text goes with entities")
        if len(self.tags) != len(self.tokens):
            raise ValueError(
                f"tags and tokens differ in number: {len(self.tags)} and {len(self.tokens)}"
            )
        if self.entities is not None:
            raise ValueError("it takes tags or entities, and both are there")
        return self

    @model_validator(mode="after")
    def _entities_apart(self) -> Self:
        if not self.entities:
            return self
        text = self.content
        for entity in self.entities:
            if not entity.start < entity.end <= len(text):
                raise ValueError(
                    f"the entity {entity.label!r} at {entity.start} to {entity.end} is no part of "
                    f"the text, which has the characters 0 to {len(text)}"
                )
        in_order = sorted(self.entities, key=lambda entity: entity.start)
        for left, right in pairwise(in_order):
            if right.start < left.end:
                raise ValueError(
                    f"the entities {shown(text[left.start : left.end])} ({left.label}) and "
                    f"{shown(text[right.start : right.end])} ({right.label}) overlap"
                )
        return self
