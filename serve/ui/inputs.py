"""What stands in the page's fields, and the examples that tasks make of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final

from polyhead.errors import InputError

if TYPE_CHECKING:
    from polyhead.serve.store import TaskRecord

__all__ = ["Inputs", "example_of", "fields_of", "inputs_of", "lines_of"]

_SAME_NAME: Final = ("text", "text_pair", "question", "context")
"""Fields of examples that are one text."""


@dataclass(frozen=True)
class Inputs:
    """The page's fields, all of them texts.

    Attributes:
        text: The text.
        text_pair: The second text of a pair.
        question: A question.
        context: The text that answers it; empty for `text`.
        choices: What to choose from, one a line.
        others: Texts to compare the text with, one a line.
        more: Other fields of examples, as a JSON object.
    """

    text: str = ""
    text_pair: str = ""
    question: str = ""
    context: str = ""
    choices: str = ""
    others: str = ""
    more: str = ""

    @property
    def n_chars(self) -> int:
        """Characters in all of them."""
        return sum(len(getattr(self, field.name)) for field in fields(self))


def lines_of(text: str) -> list[str]:
    """The lines that are not blank."""
    return [line.strip() for line in text.splitlines() if line.strip()]


def fields_of(record: TaskRecord) -> frozenset[str]:
    """Which of the page's fields a task reads."""
    properties, required = _example_schema(record)
    found = {name for name in (*_SAME_NAME, "choices") if name in properties}
    if _is_embedding(record):
        found.add("others")
    if set(required) - found:
        found.add("more")
    return frozenset(found)


def example_of(record: TaskRecord, inputs: Inputs) -> dict[str, Any]:
    """The example that a task is asked.

    An empty field is left out where the task can do without.

    Raises:
        InputError: The field for other fields does not hold a JSON object.
    """
    properties, required = _example_schema(record)
    texts = {name: getattr(inputs, name) for name in _SAME_NAME}
    texts["context"] = inputs.context or inputs.text
    example: dict[str, Any] = {
        name: text
        for name, text in texts.items()
        if name in properties and (text or name in required or name == "text")
    }
    if "choices" in properties:
        example["choices"] = lines_of(inputs.choices)
        if not inputs.text:  # choices are read alone then
            example.pop("text", None)
    more = _more(inputs.more)
    return example | {name: value for name, value in more.items() if name in properties}


def inputs_of(record: TaskRecord) -> Inputs:
    """The fields filled with a task's own example."""
    example = dict(record.example)
    known: dict[str, str] = {}
    for name in _SAME_NAME:
        if isinstance(example.get(name), str):
            known[name] = example.pop(name)
    choices = example.pop("choices", None)
    if isinstance(choices, list | tuple):
        known["choices"] = "\n".join(str(choice) for choice in choices)
    if example:
        known["more"] = json.dumps(example, ensure_ascii=False)
    return Inputs(**known)


def _example_schema(record: TaskRecord) -> tuple[Mapping[str, Any], list[str]]:
    schema = record.schemas.get("example") or {}
    return schema.get("properties", {"text": {}}), schema.get("required", [])


def _is_embedding(record: TaskRecord) -> bool:
    """Whether its answers are vectors, as far as its kind tells."""
    answer = record.schemas.get("prediction") or {}
    return "embedding" in answer.get("properties", {})


def _more(text: str) -> dict[str, Any]:
    if not text.strip():
        return {}
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise InputError('the other fields are no JSON object such as {"field": "value"}.')
    return found
