"""The server as an ASGI application."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING

from polyhead.errors import MissingExtraError, PolyheadError

try:
    import fastapi_offline  # noqa: F401 - whose files the page /docs is made of
    import prometheus_client  # noqa: F401
    from fastapi import FastAPI, Request, Response
    from starlette.exceptions import HTTPException
except ImportError as error:
    raise MissingExtraError(error.name or "fastapi", "serve", "the server") from error

from polyhead.serve.http.access_log import AccessLog, note
from polyhead.serve.http.admin import Admin
from polyhead.serve.http.asking import Asker
from polyhead.serve.http.documentation import Documentation
from polyhead.serve.http.gate import Gate
from polyhead.serve.http.health import Health
from polyhead.serve.http.keys import Keys
from polyhead.serve.http.kserve import KServe
from polyhead.serve.http.metrics import ServerMetrics
from polyhead.serve.http.openai import OpenAI
from polyhead.serve.http.plugin_events import PluginEvents
from polyhead.serve.http.predicting import Predicting
from polyhead.serve.http.request_errors import CLIENT_GONE, RequestError, error_response
from polyhead.serve.http.settings import ServerSettings
from polyhead.serve.http.tasks import Tasks
from polyhead.serve.http.wire import path_of

if TYPE_CHECKING:
    from polyhead.serve.engine import Engine
    from polyhead.serve.store import TaskStore

__all__ = ["create_app"]

_LOG = logging.getLogger("polyhead.serve")
_DESCRIPTION = "Many tasks on texts, answered by one encoder."


def create_app(engine: Engine, store: TaskStore, settings: ServerSettings | None = None) -> FastAPI:
    """The application that answers for an engine and its store.

    It starts and stops neither. Make it before the engine is started: it looks on at the batches.

    Args:
        engine: Computes the answers.
        store: Holds the tasks.
        settings: Keys and limits; `ServerSettings()` when None.
    """
    settings = settings if settings is not None else ServerSettings()
    metrics = ServerMetrics()
    metrics.watch(engine, store)
    engine.observers.append(metrics)
    if not any(isinstance(each, PluginEvents) for each in engine.observers):
        engine.observers.append(PluginEvents())
    keys = Keys(settings.api_keys, settings.admin_keys)
    asker = Asker(engine, store, settings, metrics)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        asker.close()

    app = FastAPI(
        title="polyhead",
        version=version("polyhead"),
        description=_DESCRIPTION,
        openapi_url=None,  # it has pages of its own
        redirect_slashes=False,
        lifespan=lifespan,
    )
    for routes in (
        Predicting(asker),
        Tasks(store),
        OpenAI(asker, engine, store),
        KServe(asker, engine, store),
        Admin(store, settings),
        Health(engine, metrics),
        Documentation(app, engine.model, keys),
    ):
        routes.add_to(app)
    _add_handlers(app)
    # the last one added is the outermost
    app.add_middleware(Gate, engine=engine, keys=keys, protect_metrics=settings.protect_metrics)
    app.add_middleware(AccessLog, metrics=metrics, is_on=settings.access_log)
    return app


def _add_handlers(app: FastAPI) -> None:
    """What is raised becomes a response in the words of the protocol that was spoken."""

    async def of_problem(request: Request, problem: Exception) -> Response:
        assert isinstance(problem, RequestError)  # noqa: S101 - the handler's own class
        note(request.scope, error=problem.code)
        if problem.status == CLIENT_GONE:
            return Response(status_code=CLIENT_GONE)  # nobody reads it
        return error_response(problem, path_of(request.scope))

    async def of_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, PolyheadError)  # noqa: S101
        problem = RequestError.of(error)
        if problem.status == 500:  # noqa: PLR2004 - nothing that a request should lead to
            _LOG.error("a request failed", exc_info=error)
        return await of_problem(request, problem)

    async def of_http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101
        problem = RequestError(
            error.status_code,
            None,
            _MESSAGES.get(error.status_code, str(error.detail)),
            headers=error.headers,
        )
        return await of_problem(request, problem)

    app.add_exception_handler(RequestError, of_problem)
    app.add_exception_handler(PolyheadError, of_error)
    app.add_exception_handler(HTTPException, of_http)


_MESSAGES = {
    404: "there is no such route; /docs lists what there is.",
    405: "this route is not asked with this method; the header Allow has those that do.",
}
