"""Whether the server is alive, and whether it takes requests; and its figures."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from fastapi import FastAPI, Request, Response
from prometheus_client.exposition import choose_encoder

from polyhead.serve.http.declarations import responses
from polyhead.serve.http.request_errors import RequestError
from polyhead.serve.http.schemas import HealthReply
from polyhead.serve.http.wire import json_response

if TYPE_CHECKING:
    from polyhead.serve.engine import Engine, EngineHealth
    from polyhead.serve.http.metrics import ServerMetrics

__all__ = ["Health"]


class Health:
    """GET /livez, /readyz and /metrics."""

    def __init__(self, engine: Engine, metrics: ServerMetrics) -> None:
        self._engine = engine
        self._metrics = metrics

    def add_to(self, app: FastAPI) -> None:
        """Adds the routes."""
        for path, endpoint in (("/livez", self.live), ("/readyz", self.ready)):
            app.add_api_route(
                path,
                endpoint,
                methods=["GET"],
                tags=["health"],
                responses=responses(500, 503, ok=HealthReply),
            )
            app.add_api_route(path, endpoint, methods=["HEAD"], include_in_schema=False)
        app.add_api_route(
            "/metrics",
            self.metrics,
            methods=["GET"],
            tags=["health"],
            response_class=_Text,
            responses=responses(401, 500),
        )

    async def live(self) -> Response:
        """Whether the process does its work; one that does not is best started anew."""
        _check_moving(self._engine.health())
        return _fine()

    async def ready(self) -> Response:
        """Whether it takes requests now; the error says why it does not."""
        health = self._engine.health()
        if health.is_draining:
            raise RequestError(503, "draining", "the server is stopping and takes nothing more.")
        _check_moving(health)
        return _fine()

    async def metrics(self, request: Request) -> Response:
        """All figures, in the format that Prometheus asks for."""
        encode, kind = choose_encoder(request.headers.get("accept", ""))
        text = await asyncio.to_thread(encode, self._metrics.registry)
        return Response(text, headers={"Content-Type": kind})


class _Text(Response):
    media_type = "text/plain"


def _check_moving(health: EngineHealth) -> None:
    if not health.is_running:
        raise RequestError(503, "not_running", "the engine is not running, or not yet.")
    if health.is_stalled:
        raise RequestError(503, "stalled", "the engine has finished nothing for too long.")


def _fine() -> Response:
    return json_response(b'{"status":"ok"}')
