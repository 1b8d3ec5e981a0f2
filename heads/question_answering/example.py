"""What a user writes for a task of questions about texts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from polyhead.contracts import Example

__all__ = ["Answer", "QuestionAnsweringExample"]

_FORM = 'must be a list of objects such as {"text": "Paris", "answer_start": 17}, or []'


class Answer(BaseModel):
    """An answer as it stands in the context; other fields that a data file has are ignored."""

    model_config = ConfigDict(frozen=True)

    text: str = Field(min_length=1, description="The answer, letter for letter.")
    answer_start: int = Field(
        description="Where it starts in the context, in characters (Unicode code points) from 0."
    )


def _as_answers(value: object) -> object:
    """The layouts that data files have, as one list of answers.

    A cell of a table holds the list as JSON; `datasets` keeps one list of texts and one of starts.
    """
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            raise ValueError(f"{_FORM}; in a table, as JSON") from None
    if isinstance(value, Mapping):
        return _from_columns(value.get("text"), value.get("answer_start"))
    if value is None:
        return None
    if isinstance(value, list | tuple) and all(isinstance(one, Mapping | Answer) for one in value):
        return value
    raise ValueError(_FORM)


def _from_columns(texts: object, starts: object) -> list[dict[str, object]]:
    if isinstance(texts, list | tuple) and isinstance(starts, list | tuple):
        if len(texts) == len(starts):
            pairs = zip(texts, starts, strict=True)
            return [{"text": text, "answer_start": start} for text, start in pairs]
        raise ValueError(f"there are {len(texts)} texts and {len(starts)} values answer_start")
    raise ValueError(_FORM)


def _as_id(value: object) -> object:
    """Before pydantic's own check of the union, which names every branch that fails."""
    if value is None or isinstance(value, str | int):
        return value
    raise ValueError("must be a text or a whole number")


class QuestionAnsweringExample(Example):
    """A question about a text, and its answers where they are known."""

    target_fields = ("answers",)

    question: str = Field(description="The question.")
    context: str = Field(
        description="The text that the answer is a part of; of any length.",
        examples=["a text that answers it"],
    )
    answers: Annotated[tuple[Answer, ...] | None, BeforeValidator(_as_answers)] = Field(
        default=None,
        description="The right answers, for training (the first one) and evaluation (any of them); "
        "an empty list says that the context has none, None that they are not known.",
    )
    id: Annotated[str | int | None, BeforeValidator(_as_id)] = Field(
        default=None, description="The user's own name for the question."
    )
