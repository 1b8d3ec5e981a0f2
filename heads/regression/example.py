"""What a user writes for a task that predicts numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Annotated, Final

import torch
from pydantic import BeforeValidator, Field

from polyhead.errors import InputError, listing
from polyhead.heads.text_example import TextOrPair

__all__ = ["RegressionExample", "values_of"]

_LARGEST: Final = torch.finfo(torch.float32).max
"""Targets are float32."""


def _as_values(value: object) -> object:
    """One number, a tuple of them or a dict of them; text of a table's cell as the same."""
    if isinstance(value, str) and "|" in value:
        value = value.split("|")
    if value is None:
        return None
    if isinstance(value, Mapping):
        values: object = {str(name): _as_number(number) for name, number in value.items()}
    elif isinstance(value, Sequence) and not isinstance(value, str | bytes):
        values = tuple(_as_number(number) for number in value)
    else:
        return _as_number(value)
    if not values:
        raise ValueError("must have at least one number")
    return values


def _as_number(value: object) -> float:
    is_number = isinstance(value, Real | str) and not isinstance(value, bool)
    try:
        number = float(value) if is_number else None  # type: ignore[arg-type]  # just checked
    except ValueError:
        number = None
    except OverflowError:  # a whole number larger than any float
        number = math.inf
    if number is None:
        raise ValueError("must be a number, or numbers as a list, a mapping by name or '1|2.5'")
    if not abs(number) <= _LARGEST:  # NaN too
        raise ValueError(f"must be a finite number of at most {_LARGEST:.1e}")
    return number


class RegressionExample(TextOrPair):
    """One text, or a pair of texts, and the numbers it stands for where they are known."""

    label: Annotated[
        float | tuple[float, ...] | dict[str, float] | None, BeforeValidator(_as_values)
    ] = Field(
        default=None,
        description="Its number, for training and evaluation; for several outputs a list in their "
        "order, a mapping by their names, or a text with '|' between the numbers.",
    )


def values_of(
    label: float | Sequence[float] | Mapping[str, float], outputs: Sequence[str]
) -> tuple[float, ...]:
    """The numbers of a label in the order of `outputs`.

    Raises:
        InputError: It does not have one number for each of them.
    """
    if isinstance(label, Mapping):
        missing = [name for name in outputs if name not in label]
        unknown = [name for name in label if name not in outputs]
        if unknown:
            raise InputError(
                f"the label has a value for {unknown[0]!r}, which is no output of this head; it "
                f"has: {listing(outputs)}."
            )
        if missing:
            raise InputError(f"the label has no value for the output {missing[0]!r}.")
        return tuple(label[name] for name in outputs)
    values = tuple(label) if isinstance(label, Sequence) else (label,)
    if len(values) != len(outputs):
        raise InputError(
            f"the label has {len(values)} value{'s' * (len(values) > 1)} and this head "
            f"{len(outputs)} output{'s' * (len(outputs) > 1)}: {listing(outputs)}."
        )
    return values
