"""Answers, kept for when the same example comes to the same task again."""

from __future__ import annotations

from typing import Final, NamedTuple, Self

from polyhead.caches.bounded_cache import BoundedCache
from polyhead.contracts import Prediction

__all__ = ["ResultCache", "WrittenAnswer"]

_ENTRY_BYTES: Final = 320
"""What an answer takes beside its text: the key, its place, and Python's objects around them."""


class WrittenAnswer(NamedTuple):
    """An answer as text, of which everyone who asks gets a copy of their own.

    Attributes:
        kind: Its class.
        text: Its JSON.
    """

    kind: type[Prediction]
    text: bytes

    @classmethod
    def of(cls, answer: Prediction) -> Self | None:
        """The answer as text; None where its JSON is not all of it."""
        try:
            written = cls(type(answer), answer.model_dump_json(round_trip=True).encode())
            return written if written.read() == answer else None
        except ValueError:  # pydantic's own errors among them: NaN, or a type that JSON lacks
            return None

    def read(self) -> Prediction:
        """The answer."""
        return self.kind.model_validate_json(self.text)


class ResultCache(BoundedCache[WrittenAnswer]):
    """Keeps the answers of `predict`, and answers with them where the same is asked again.

    The same means: an equal example, read the same way, under a head, adapters and an encoder of
    equal weights. What they are called plays no part.

        model.result_cache = ph.ResultCache(100_000_000)
    """

    @classmethod
    def bytes_of(cls, value: WrittenAnswer) -> int:
        """The memory that an answer takes."""
        return len(value.text) + _ENTRY_BYTES
