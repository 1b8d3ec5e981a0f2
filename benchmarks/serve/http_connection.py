"""Just enough of HTTP/1.1 to load a server: one request at a time on a connection that stays."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from benchmarks.serve.schedule import BROKEN

HEAD_END: Final = b"\r\n\r\n"
LENGTH: Final = b"\r\ncontent-length:"
STATUS: Final = slice(9, 12)
CLOSING: Final = b"\r\nconnection: close"

Told = Callable[[int, bytes], None]


class Connection(asyncio.Protocol):
    """A connection that sends bytes and tells status and body of the answer.

    Attributes:
        is_open: Whether it can take another request.
        free_since_s: For whoever keeps connections: since when this one is free.
    """

    def __init__(self) -> None:
        self.is_open = True
        self.free_since_s = 0.0
        self._told: Told | None = None
        self._received = b""
        self._body_at = -1
        self._end = -1
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way out."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101  (what TCP has)
        self._transport = transport

    def send(self, request: bytes, told: Told) -> None:
        """Send a request; `told` gets its status and body, or `BROKEN`."""
        assert self._transport is not None  # noqa: S101  (it is connected)
        self._told = told
        self._received, self._end = b"", -1
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Collect the answer, and tell it once it is whole."""
        self._received = self._received + data if self._received else data
        if self._end < 0 and not self._read_head():
            return
        if len(self._received) >= self._end:
            head, body = self._received[: self._body_at], self._received[self._body_at : self._end]
            if CLOSING in head.lower():
                self.close()
            self._tell(int(head[STATUS]), body)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  (asyncio's name)
        """Tell whoever waits that there will be no answer."""
        self.is_open = False
        self._tell(BROKEN, b"")

    def close(self) -> None:
        """End the connection."""
        self.is_open = False
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """End the connection at once; nobody is told."""
        self._told = None
        if self._transport is not None:
            self._transport.abort()

    def _read_head(self) -> bool:
        """Find out where the answer ends; whether its head is whole."""
        end = self._received.find(HEAD_END)
        if end < 0:
            return False
        head = self._received[:end].lower()
        self._body_at = end + len(HEAD_END)
        found = head.find(LENGTH)
        if found < 0:  # in pieces, or until the end: no server here answers so
            self.close()
            self._tell(BROKEN, b"")
            return False
        start = found + len(LENGTH)
        line_end = head.find(b"\r\n", start)
        self._end = self._body_at + int(head[start : line_end if line_end > 0 else len(head)])
        return True

    def _tell(self, status: int, body: bytes) -> None:
        told, self._told = self._told, None
        if told is not None:
            told(status, body)


def post(path: str, body: bytes) -> bytes:
    """Return the bytes of a request."""
    return (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body
