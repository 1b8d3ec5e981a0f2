"""What a conversation with a server consists of, without any input or output."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

__all__ = ["Call", "Lost", "Pause", "Reply", "Send", "Step", "Talk"]

T = TypeVar("T")


@dataclass(frozen=True)
class Call:
    """One thing to ask.

    Attributes:
        method: "GET" or "POST".
        path: Behind the server's address, with a slash in front.
        body: JSON, or None.
        key: What proves that the caller may ask it; None for nothing. Never shown.
        is_repeatable: Whether to ask twice is the same as to ask once.
    """

    method: str
    path: str
    body: bytes | None = field(default=None, repr=False)
    key: str | None = field(default=None, repr=False)
    is_repeatable: bool = True


@dataclass(frozen=True)
class Send:
    """A step: send this and tell the reply.

    Attributes:
        call: What to ask.
        timeout_s: How long to wait for the reply.
    """

    call: Call
    timeout_s: float


@dataclass(frozen=True)
class Pause:
    """A step: wait."""

    seconds: float


@dataclass(frozen=True)
class Reply:
    """What a server said.

    Attributes:
        status: Of HTTP.
        headers: By their names in lower case.
        body: As it came, decompressed.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Lost:
    """What is known where there was no reply.

    Attributes:
        reason: In a few words, without a full stop.
        is_timeout: Whether it did not come in time.
        was_sent: Whether the server may have read what was asked.
    """

    reason: str
    is_timeout: bool
    was_sent: bool


Step = Send | Pause
Talk = Generator[Step, Reply | Lost | None, T]
"""A conversation: yields its steps, is sent a reply for each `Send`, returns what was found out."""
