"""Who gets in, decided before a byte of the body is read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from polyhead.errors import EngineError, OverloadedError
from polyhead.serve.http.access_log import note
from polyhead.serve.http.loop_lag import LoopLag
from polyhead.serve.http.request_errors import RequestError, error_response
from polyhead.serve.http.wire import path_of

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from polyhead.serve.engine import Engine
    from polyhead.serve.http.keys import Keys

__all__ = ["Gate"]

_OPEN: Final = frozenset({"/livez", "/readyz", "/docs", "/openapi.json", "/favicon.ico", "/ui"})
_OPEN_BELOW: Final = ("/docs/", "/v2/health/", "/ui/")  # /ui asks for the key in its own form
_ADMIN_BELOW: Final = ("/v1/admin/", "/v2/repository/models/")
_PAGES: Final = ("/ui", "/docs/assets")
_ROUNDS: Final = 8
"""Rounds of the event loop that a request takes, about."""
_ASKING: Final = frozenset({"/v1/predict", "/v1/embeddings"})


class Gate:
    """Asks for the key where one is needed, and refuses work for which there is no room."""

    def __init__(
        self, app: ASGIApp, engine: Engine, keys: Keys, *, protect_metrics: bool = False
    ) -> None:
        self._app = app
        self._engine = engine
        self._keys = keys
        self._open = _OPEN if protect_metrics else _OPEN | {"/metrics"}
        self._lag = LoopLag()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on, or says why not."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        path = path_of(scope)
        page = next((page for page in _PAGES if _is_below(path, page)), None)
        if page is not None:  # of others, who have routes of their own in there
            note(scope, route=page)
        try:
            self._check_key(scope, path)
            self._check_room(scope, path)
        except RequestError as problem:
            await self._refuse(problem, path, scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _check_key(self, scope: Scope, path: str) -> None:
        needed = self._needed(path)
        if needed == "nobody":
            return
        if needed == "admin" and not self._keys.has_admin:
            raise RequestError(
                403,
                "admin_off",
                "tasks cannot be changed here: this server was started without an admin key.",
            )
        level = self._keys.level_of(scope)
        if level == "nobody":
            raise RequestError(
                401,
                "no_key",
                "this needs a key; send it as 'Authorization: Bearer KEY' or 'X-API-Key: KEY'.",
                headers={"WWW-Authenticate": 'Bearer realm="polyhead"'},
            )
        if needed == "admin" and level != "admin":
            raise RequestError(403, "not_admin", "this key may ask tasks and not change them.")

    def _needed(self, path: str) -> Literal["admin", "api", "nobody"]:
        if path.startswith(_ADMIN_BELOW):
            return "admin"
        if not self._keys.are_needed and not (path == "/metrics" and path not in self._open):
            return "nobody"
        is_open = path in self._open or path.startswith(_OPEN_BELOW)
        return "nobody" if is_open else "api"

    def _check_room(self, scope: Scope, path: str) -> None:
        route = _asking_route(path) if scope.get("method") == "POST" else None
        if route is None:
            return
        try:
            self._engine.check_room("interactive")
            self._check_lag()
        except EngineError as error:
            note(scope, route=route)
            raise RequestError.of(error) from None

    def _check_lag(self) -> None:
        """Refuses where requests come in faster than they are so much as read.

        Raises:
            OverloadedError: They do.
        """
        self._lag.look()
        wait = self._lag.seconds * _ROUNDS
        if wait > self._engine.settings.max_wait_s:
            raise OverloadedError(
                "requests come in faster than they are read; try again later.", retry_after_s=wait
            )

    async def _refuse(
        self, problem: RequestError, path: str, scope: Scope, receive: Receive, send: Send
    ) -> None:
        note(scope, error=problem.code)
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008})
            return
        await error_response(problem, path)(scope, receive, send)


def _is_below(path: str, page: str) -> bool:
    return path == page or path.startswith(f"{page}/")


def _asking_route(path: str) -> str | None:
    """The route of a request that asks tasks; None for any other."""
    if path in _ASKING:
        return path
    if path.startswith("/v1/tasks/") and path.endswith("/predict"):
        return "/v1/tasks/{task}/predict"
    if path.startswith("/v2/models/") and path.endswith("/infer"):
        has_version = "/versions/" in path
        return f"/v2/models/{{model}}{'/versions/{version}' * has_version}/infer"
    return None
