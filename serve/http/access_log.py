"""One line of JSON a request, without texts, keys or what a client wrote into the path."""

from __future__ import annotations

import json
import logging
import re
import secrets
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from polyhead.serve.http.request_errors import CLIENT_GONE, RequestError, error_response
from polyhead.serve.http.wire import header_of, path_of

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from polyhead.serve.http.metrics import ServerMetrics

__all__ = ["AccessLog", "note"]

_LOG: Final = logging.getLogger("polyhead.access")
_FAILURES: Final = logging.getLogger("polyhead.serve")
_SAFE_ID: Final = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_NOTES: Final = "polyhead.notes"
_UNMATCHED: Final = "unmatched"


def note(scope: Scope, **values: Any) -> None:
    """Keeps something of a request for its line in the log.

    Args:
        scope: The request's.
        values: `route`, `tasks`, `n_rows`, `n_tokens` or `error`.
    """
    scope.setdefault(_NOTES, {}).update(values)


class AccessLog:
    """The outermost layer: gives each request an id, counts it, and writes its line.

    What nobody else caught ends here, as a response of status 500 that says nothing of it.
    """

    def __init__(
        self,
        app: ASGIApp,
        metrics: ServerMetrics,
        *,
        is_on: bool = True,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._app = app
        self._metrics = metrics
        self._is_on = is_on
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on, and writes its line when it is done."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _id_of(scope)
        scope[_NOTES] = notes = {"request_id": request_id}
        status = CLIENT_GONE
        started = self._clock()

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = [*message.get("headers", ()), (b"x-request-id", request_id.encode())]
                message = {**message, "headers": headers}
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        except Exception:  # noqa: BLE001 - whatever it is, it is one request's
            _FAILURES.exception("request %s failed", request_id)
            if status == CLIENT_GONE:
                notes["error"] = "internal"
                problem = RequestError(500, "internal", "the server failed; its log says why.")
                await error_response(problem, path_of(scope))(scope, receive, send_with_id)
        finally:
            self._finish(scope, notes, status, self._clock() - started)

    def _finish(self, scope: Scope, notes: dict[str, Any], status: int, seconds: float) -> None:
        route = notes.get("route") or getattr(scope.get("route"), "path", None) or _UNMATCHED
        self._metrics.request(route, status, seconds, notes.get("error"))
        if not self._is_on or not _LOG.isEnabledFor(logging.INFO):
            return
        line = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "method": scope["method"],
            "route": route,
            "status": status,
            "ms": round(seconds * 1000, 3),
            "request_id": notes["request_id"],
        }
        line |= {name: notes[name] for name in _OPTIONAL if notes.get(name) is not None}
        _LOG.info("%s", json.dumps(line))


_OPTIONAL: Final = ("tasks", "n_rows", "n_tokens", "error")


def _id_of(scope: Scope) -> str:
    """The client's own, where it can stand in a log as it is; else a new one."""
    given = header_of(scope, b"x-request-id")
    if given is not None and _SAFE_ID.fullmatch(given):
        return given.decode()
    return secrets.token_hex(8)
