"""Which of Gradio's routes are open, and what the page may fetch.

Gradio has routes to upload and read files, to call other servers, to list its functions and more.
The playground uses none of them; here they do not exist. The content security policy makes the
browser keep the page to this server: nothing, not even a card's picture, is fetched elsewhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["Doors"]

_OPEN: Final = frozenset(
    {"/", "/config", "/theme.css", "/login", "/logout", "/gradio_api/run/predict"}
)
_OPEN_FOLDERS: Final = ("/assets/", "/static/")
_POLICY: Final = (
    "default-src 'self'; "
    # Gradio writes its settings into the page as a script, and compiles its templates
    "script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
    "style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; "
    "font-src 'self' data:; "
    "connect-src 'self'; "
    "object-src 'none'; "
    "base-uri 'self'; "
    "form-action 'self'; "
    "frame-ancestors 'none'"
)
_HEADERS: Final = [
    (b"content-security-policy", _POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
]


class Doors:
    """Middleware around Gradio's application that lets few requests through."""

    def __init__(self, app: ASGIApp, max_body_bytes: int) -> None:
        """Stands before an application.

        Args:
            app: What answers the requests that are let through.
            max_body_bytes: Most bytes of a request's body.
        """
        self._app = app
        self._max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request, or has it answered."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] != "http":  # there is no web socket here
            await send({"type": "websocket.close", "code": 1008})
        elif not _is_open(scope):
            await _refuse(send, 404, "not_found", "there is nothing at this address.")
        else:
            await self._let_in(scope, receive, send)

    async def _let_in(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await _read(receive, self._max_body_bytes)
        if body is None:
            longest = f"the body is longer than {self._max_body_bytes} bytes; send shorter texts."
            await _refuse(send, 413, "body_too_large", longest)
            return
        await self._app(scope, _replayed(body, receive), _with_headers(send))


def _is_open(scope: Scope) -> bool:
    path = scope["path"].removeprefix(scope.get("root_path", ""))
    return (path.rstrip("/") or "/") in _OPEN or path.startswith(_OPEN_FOLDERS)


async def _read(receive: Receive, most: int) -> bytes | None:
    """The body of a request; None where it is longer than `most`."""
    parts: list[bytes] = []
    n_bytes = 0
    while True:
        message = await receive()
        part = message.get("body", b"")
        n_bytes += len(part)
        if n_bytes > most:
            return None
        parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts)


def _replayed(body: bytes, receive: Receive) -> Receive:
    """Says the body once more, and then what else there is to hear."""
    first: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_again() -> Message:
        return first.pop() if first else await receive()

    return receive_again


def _with_headers(send: Send) -> Send:
    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", []), *_HEADERS]}
        await send(message)

    return send_with_headers


async def _refuse(send: Send, status: int, code: str, reason: str) -> None:
    body = f'{{"error": {{"code": "{code}", "message": "{reason}"}}}}'.encode()
    headers = [(b"content-type", b"application/json"), *_HEADERS]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
