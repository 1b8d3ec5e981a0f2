"""What answers look like that the page knows how to show; fields beside these do not matter."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

__all__ = [
    "ChoiceShape",
    "EntitiesShape",
    "LabelsShape",
    "MasksShape",
    "NumbersShape",
    "SpanShape",
    "VectorShape",
]

Number = Annotated[float, Field(strict=True)]
Place = Annotated[int, Field(strict=True, ge=0)]


class _Shape(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class LabelsShape(_Shape):
    """A probability for each label, and the label or labels chosen."""

    probabilities: dict[str, Number] = Field(min_length=1)
    label: str | None = None
    labels: list[str] | None = None


class ChoiceShape(_Shape):
    """A probability for each choice of the example."""

    choice: Place
    probabilities: list[Number]


class _Candidate(_Shape):
    text: str
    score: Number


class SpanShape(_Shape):
    """A part of the context, and others that it could have been."""

    text: str
    start: Place | None
    end: Place | None
    score: Number
    candidates: list[_Candidate] = []


class _Entity(_Shape):
    start: Place
    end: Place
    label: str
    score: Number | None = None


class EntitiesShape(_Shape):
    """Parts of the text and what they are, or a tag for each word."""

    entities: list[_Entity]
    words: list[str] = []
    tags: list[str] = []
    scores: list[Number] = []
    starts: list[Place] = []
    ends: list[Place] = []


class _Filling(_Shape):
    token_str: str
    score: Number


class MasksShape(_Shape):
    """For each mask its most probable tokens."""

    text: str
    masks: list[list[_Filling]]


class NumbersShape(_Shape):
    """A number for each output."""

    score: Number
    values: dict[str, Number]


class VectorShape(_Shape):
    """A vector, and how alike it is to that of a second text."""

    embedding: list[Number] = Field(min_length=1)
    similarity: Number | None = None
