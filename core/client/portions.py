"""Inputs of any number as the bodies of requests that a server takes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from polyhead.errors import InputError, shown

__all__ = ["MOST_BYTES", "MOST_INPUTS", "MOST_ROWS", "Portion", "as_inputs", "portions"]

MOST_INPUTS: Final = 256
"""Of one request."""
MOST_ROWS: Final = 1024
"""Inputs times tasks of one request; what a server takes unless it is told otherwise."""
MOST_BYTES: Final = 1_000_000
"""Of the inputs of one request, unless one alone has more."""


@dataclass(frozen=True)
class Portion:
    """Inputs that are asked in one request.

    Attributes:
        start: The place of the first of them among all.
        parts: Each as JSON.
        head: What stands before them in the request's body.
    """

    start: int
    parts: Sequence[bytes]
    head: bytes

    @property
    def body(self) -> bytes:
        """The request's body."""
        return self.head + b",".join(self.parts) + b"]}"

    @property
    def halves(self) -> tuple[Portion, Portion]:
        """The same in two requests; there must be two inputs."""
        half = len(self.parts) // 2
        first, second = self.parts[:half], self.parts[half:]
        return replace(self, parts=first), replace(self, start=self.start + half, parts=second)


def as_inputs(inputs: object) -> Iterable[object]:
    """The inputs one by one; a single text, pair, mapping or example is one input.

    Raises:
        InputError: It is none of these.
    """
    if isinstance(inputs, str | tuple | Mapping) or hasattr(inputs, "model_dump"):
        return [inputs]
    if isinstance(inputs, Iterable) and not isinstance(inputs, bytes | bytearray):
        return inputs
    raise InputError(
        f"inputs must be a text, a pair, a mapping or a list of them, not {type(inputs).__name__}."
    )


def portions(
    inputs: Iterable[object], tasks: Sequence[str], options: Mapping[str, object]
) -> Iterator[Portion]:
    """The inputs in their order, as many at a time as a request may have.

    Args:
        inputs: Read as they are asked for.
        tasks: What to ask each of them.
        options: Of the requests.

    Raises:
        InputError: One is nothing that can be asked; it has its place.
    """
    most = max(1, min(MOST_INPUTS, MOST_ROWS // len(tasks)))
    empty = json.dumps({"tasks": list(tasks), "options": options, "inputs": []})
    head = empty.removesuffix("]}").encode()
    start, n_bytes = 0, 0
    parts: list[bytes] = []
    for place, value in enumerate(inputs):
        part = _encoded(value, place)
        if parts and (len(parts) == most or n_bytes + len(part) > MOST_BYTES):
            yield Portion(start, parts, head)
            start, n_bytes, parts = place, 0, []
        parts.append(part)
        n_bytes += len(part)
    if parts:
        yield Portion(start, parts, head)


def _encoded(value: Any, place: int) -> bytes:
    if hasattr(value, "model_dump"):  # an example of a head
        value = value.model_dump(mode="json", exclude_unset=True)
    is_pair = isinstance(value, list | tuple)
    if not (isinstance(value, str | Mapping) or is_pair):
        raise InputError(
            f"{shown(value)} is neither a text, a pair, a mapping nor an example.", index=place
        )
    try:
        text = json.dumps(
            dict(value) if isinstance(value, Mapping) else value,
            ensure_ascii=False,
            allow_nan=False,
        )
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(f"cannot be sent as JSON: {error}.", index=place) from None
    # half of a surrogate pair becomes the JSON escape that it is written as
    return text.encode(errors="backslashreplace")
