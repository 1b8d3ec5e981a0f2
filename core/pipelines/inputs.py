"""One input, a list of them, or a stream that is read as it is needed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal, TypeVar

from polyhead.errors import InputError

__all__ = ["Inputs", "chunks", "read_inputs"]

T = TypeVar("T")


@dataclass(frozen=True)
class Inputs:
    """What a pipeline was called with.

    Attributes:
        items: The inputs; those of a stream can be read once.
        form: Whether it was one input, a list, or a stream.
    """

    items: Iterable[object]
    form: Literal["one", "list", "stream"]


def read_inputs(inputs: Any) -> Inputs:
    """The inputs that `inputs` stands for.

    Args:
        inputs: A text or a mapping is one input. A list or a tuple is several.
            Anything else that can be iterated over, or indexed up to its length, is a stream.

    Raises:
        InputError: It is none of these.
    """
    if isinstance(inputs, str | bytes | Mapping):
        return Inputs([inputs], "one")
    if isinstance(inputs, list | tuple):
        return Inputs(inputs, "list")
    if isinstance(inputs, Iterable):
        return Inputs(inputs, "stream")
    if hasattr(inputs, "__getitem__") and hasattr(inputs, "__len__"):
        # torch's data sets: no iterator, and not all raise IndexError behind their end
        return Inputs((inputs[place] for place in range(len(inputs))), "stream")
    raise InputError(
        "a pipeline takes a text, a list of texts or an iterator of them, not "
        f"{type(inputs).__name__}."
    )


def chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """The items, `size` at a time."""
    rest = iter(items)
    while chunk := list(islice(rest, size)):
        yield chunk
