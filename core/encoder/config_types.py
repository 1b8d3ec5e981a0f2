"""What the values of a configuration's fields may be, and what they are turned into."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

import torch
from pydantic import BeforeValidator, PlainSerializer
from torch import nn

from polyhead.contracts import check_activation

__all__ = [
    "ActivationField",
    "AttentionName",
    "DtypeField",
    "LabelNames",
    "LabelNumbers",
    "ProblemType",
    "with_labels",
]

AttentionName = Literal["eager", "sdpa", "flash_attention_2"]
"""How attention is computed."""

ProblemType = Literal["regression", "single_label_classification", "multi_label_classification"]
"""The loss of sequence classification."""


def _check_activation(value: object) -> object:
    if isinstance(value, nn.Module) and any(True for _ in value.parameters()):
        raise ValueError("a module with weights of its own cannot be the activation")
    if isinstance(value, str):
        return check_activation(value)
    if not callable(value):
        raise ValueError("must be an activation's name or a function")  # noqa: TRY004 - pydantic's
    return value


ActivationField = Annotated[str | Callable[..., Any], BeforeValidator(_check_activation)]
"""An activation's name, or a function of one tensor."""


def _as_dtype(value: object) -> object:
    dtype = getattr(torch, value.removeprefix("torch."), None) if isinstance(value, str) else value
    if value is not None and not (isinstance(dtype, torch.dtype) and dtype.is_floating_point):
        raise ValueError("must be a floating-point type such as 'float16' or torch.float16")
    return dtype


def _name_of_dtype(dtype: torch.dtype | None) -> str | None:
    return None if dtype is None else str(dtype).removeprefix("torch.")


DtypeField = Annotated[
    torch.dtype | None, BeforeValidator(_as_dtype), PlainSerializer(_name_of_dtype)
]
"""A floating-point type; its name in files."""


def _labels_as_text(value: object) -> object:
    """Labels that are numbers in some files become their text."""
    if isinstance(value, Mapping):
        return {number: str(label) for number, label in value.items()}
    return value


def _keys_as_text(value: object) -> object:
    if isinstance(value, Mapping):
        return {str(label): number for label, number in value.items()}
    return value


LabelNames = Annotated[dict[int, str], BeforeValidator(_labels_as_text)]
"""The labels' names by their numbers."""

LabelNumbers = Annotated[dict[str, int], BeforeValidator(_keys_as_text)]
"""The labels' numbers by their names."""


def with_labels(fields: Mapping[str, Any]) -> dict[str, Any]:
    """`fields` with `id2label` and `label2id`, completed from each other or from `num_labels`.

    Raises:
        ValueError: `num_labels` is not a number above 0, or not that of the labels.
    """
    found = {name: value for name, value in fields.items() if name != "num_labels"}
    number = fields.get("num_labels")
    if number is not None and (isinstance(number, bool) or not isinstance(number, int)):
        raise ValueError(f"num_labels must be a whole number, not {type(number).__name__}")
    if number is not None and number < 1:
        raise ValueError(f"num_labels must be at least 1, not {number}")
    names, numbers = found.get("id2label"), found.get("label2id")
    if not names and isinstance(numbers, Mapping) and numbers:
        names = {place: label for label, place in numbers.items()}
    if not names:
        names = {place: f"LABEL_{place}" for place in range(2 if number is None else number)}
    if number is not None and isinstance(names, Mapping) and len(names) != number:
        raise ValueError(f"num_labels is {number} and there are {len(names)} labels")
    if not numbers and isinstance(names, Mapping):
        numbers = {label: place for place, label in names.items()}
    return {**found, "id2label": names, "label2id": numbers}
