"""A server that computes nothing, to try the load tool on.

    python -P benchmarks/serve/fake_server.py --port 8000 --service-s 0.01 --most-waiting 8

It answers one request after the other, `--service-s` each, and refuses with 429 what would wait
behind more than `--most-waiting` others. Every path of POST is answered the same.
"""

from __future__ import annotations

import argparse
import asyncio

REASONS = {200: "OK", 429: "Too Many Requests"}
GOOD = b'{"label": "label0"}'


class FakeServer:
    """A queue of one place after the other."""

    def __init__(self, service_s: float, most_waiting: int) -> None:
        self._service_s = service_s
        self._most_waiting = most_waiting
        self._waiting = 0
        self._free_at = 0.0
        self.transports: set[asyncio.Transport] = set()

    async def serve(self, port: int) -> asyncio.Server:
        """Listen on a port of this machine; 0 takes a free one."""
        loop = asyncio.get_running_loop()
        return await loop.create_server(lambda: _Talk(self), "127.0.0.1", port)

    def take(self, answer: asyncio.Transport, *, is_quick: bool) -> None:
        """Answer when it is this request's turn."""
        if is_quick:
            _write(answer, 200, GOOD)
            return
        if self._waiting > self._most_waiting:
            _write(answer, 429, b'{"error": {"code": "overloaded"}}')
            return
        loop = asyncio.get_running_loop()
        self._waiting += 1
        self._free_at = max(self._free_at, loop.time()) + self._service_s
        loop.call_at(self._free_at, self._done, answer)

    def hang_up(self) -> None:
        """End all connections at once."""
        for transport in self.transports:
            transport.abort()

    def _done(self, answer: asyncio.Transport) -> None:
        self._waiting -= 1
        _write(answer, 200, GOOD)


class _Talk(asyncio.Protocol):
    def __init__(self, server: FakeServer) -> None:
        self._server = server
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101  (what TCP has)
        self._transport = transport
        self._server.transports.add(transport)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  (asyncio's name)
        self._server.transports.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, found, rest = self._received.partition(b"\r\n\r\n")
        length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
        if found and len(rest) >= int(length or 0):
            self._received = b""
            self._server.take(self._transport, is_quick=head.startswith(b"GET"))


def _write(answer: asyncio.Transport, status: int, body: bytes) -> None:
    if not answer.is_closing():
        head = f"HTTP/1.1 {status} {REASONS[status]}\r\nContent-Length: {len(body)}\r\n\r\n"
        answer.write(head.encode() + body)


async def main() -> None:
    """Serve until the end."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--service-s", type=float, default=0.0)
    parser.add_argument("--most-waiting", type=int, default=100)
    given = parser.parse_args()
    server = await FakeServer(given.service_s, given.most_waiting).serve(given.port)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
