"""Models asked in KServe's open inference protocol, version 2.

Source: the protocol's REST specification, with Triton's repository extension.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Request, Response
from pydantic import ValidationError

from polyhead.errors import PolyheadError
from polyhead.serve.http.asking import Asker, Question, check_name
from polyhead.serve.http.bodies import IndexBody, InferBody, Options, parsed
from polyhead.serve.http.declarations import ASKING, body_of, responses
from polyhead.serve.http.limits import check_rows, read_body
from polyhead.serve.http.request_errors import RequestError
from polyhead.serve.http.schemas import (
    IndexEntry,
    InferReply,
    KServeError,
    LiveReply,
    ModelMetadata,
    ModelReady,
    ReadyReply,
    ServerMetadata,
)
from polyhead.serve.http.tensors import inputs_of, outputs_of, tensors_of
from polyhead.serve.http.wire import dumped, json_response

if TYPE_CHECKING:
    from polyhead.serve.engine import Engine
    from polyhead.serve.store import TaskRecord, TaskStore

__all__ = ["KServe"]

_STATES = {"resident": "READY", "loading": "LOADING"}


class KServe:
    """The routes below /v2."""

    def __init__(self, asker: Asker, engine: Engine, store: TaskStore) -> None:
        self._asker = asker
        self._engine = engine
        self._store = store

    def add_to(self, app: FastAPI) -> None:
        """Adds the routes."""
        self._add_about_server(app)
        self._add_about_models(app)
        self._add_infer(app)
        self._add_repository(app)

    def _add_about_server(self, app: FastAPI) -> None:
        for path, endpoint, reply in (
            ("/v2", self.server, ServerMetadata),
            ("/v2/health/live", self.live, LiveReply),
            ("/v2/health/ready", self.ready, ReadyReply),
        ):
            app.add_api_route(
                path,
                endpoint,
                methods=["GET"],
                tags=["kserve"],
                responses=responses(401, 500, 503, ok=reply, error=KServeError, partial={503}),
            )

    def _add_about_models(self, app: FastAPI) -> None:
        for end, endpoint, reply in (
            ("", self.metadata, ModelMetadata),
            ("/ready", self.model_ready, ModelReady),
        ):
            for middle in ("", "/versions/{version}"):
                app.add_api_route(
                    f"/v2/models/{{model}}{middle}{end}",
                    endpoint,
                    methods=["GET"],
                    tags=["kserve"],
                    responses=responses(
                        401, 404, 422, 500, 503, ok=reply, error=KServeError, partial={503}
                    ),
                )

    def _add_infer(self, app: FastAPI) -> None:
        for middle in ("", "/versions/{version}"):
            app.add_api_route(
                f"/v2/models/{{model}}{middle}/infer",
                self.infer,
                methods=["POST"],
                tags=["kserve"],
                responses=responses(
                    *ASKING,
                    ok=InferReply,
                    error=KServeError,
                ),
                openapi_extra=body_of(InferBody),
            )

    def _add_repository(self, app: FastAPI) -> None:
        app.add_api_route(
            "/v2/repository/index",
            self.index,
            methods=["POST"],
            tags=["kserve"],
            responses=responses(
                400, 401, 413, 415, 422, 500, ok=list[IndexEntry], error=KServeError
            ),
            openapi_extra=body_of(IndexBody, is_required=False),
        )
        for word, endpoint in (("load", self.load), ("unload", self.unload)):
            app.add_api_route(
                f"/v2/repository/models/{{model}}/{word}",
                endpoint,
                methods=["POST"],
                tags=["kserve", "admin"],
                responses=responses(
                    401, 403, 404, 422, 500, 503, ok=dict[str, Any], error=KServeError
                ),
            )

    async def server(self) -> Response:
        """What the server is."""
        about = {
            "name": "polyhead",
            "version": version("polyhead"),
            "extensions": ["model_repository"],
        }
        return json_response(dumped(about))

    async def live(self) -> Response:
        """Whether the engine runs and moves on."""
        health = self._engine.health()
        is_live = health.is_running and not health.is_stalled
        return _said({"live": is_live}, is_live)

    async def ready(self) -> Response:
        """Whether the engine takes requests."""
        return _said({"ready": self._engine.is_ready}, self._engine.is_ready)

    async def metadata(self, model: str, version: str | None = None) -> Response:
        """The tensors that a task takes and gives."""
        record = await self._record(model, version)
        inputs, outputs = tensors_of(record)
        versions = [each.version for each in record.versions]
        about = {
            "name": model,
            "versions": [each for each in versions if each is not None],
            "platform": "polyhead",
            "inputs": inputs,
            "outputs": outputs,
        }
        return json_response(dumped(about))

    async def model_ready(self, model: str, version: str | None = None) -> Response:
        """Whether a task would answer; one that is not in memory is loaded when it is asked."""
        record = await self._record(model, version)
        is_ready = record.state != "damaged" and self._engine.is_ready
        return _said({"name": model, "ready": is_ready}, is_ready)

    async def infer(self, request: Request, model: str, version: str | None = None) -> Response:
        """A task's answers: as JSON in `prediction`, and each plain field in a tensor of its own.

        The inputs are tensors of texts with the names of the fields of the task's examples.
        One row that fails makes the whole fail: the protocol has no errors of rows.
        """
        raw = await read_body(request, self._asker.settings.max_body_bytes)
        body = parsed(InferBody, raw)
        inputs = inputs_of(body.inputs)
        check_rows(len(inputs), 1, self._asker.settings.max_rows)
        options = _options_of(body.parameters or {})
        question = Question(
            inputs,
            [model],
            version=version,
            priority=options.priority,
            timeout_s=options.timeout_s,
            private=options.private,
        )
        answered = await self._asker.ask(question, request)
        [outcomes] = answered.outcomes.values()
        failed = next((each for each in outcomes if isinstance(each, PolyheadError)), None)
        if failed is not None:
            raise RequestError.of(failed)
        wanted = None if body.outputs is None else [output.name for output in body.outputs]
        reply: dict[str, Any] = {
            "model_name": model,
            "model_version": answered.tasks[model].version,
            "outputs": outputs_of(outcomes, wanted),
        }
        if body.id is not None:
            reply["id"] = body.id
        return json_response(dumped(reply))

    async def index(self, request: Request) -> Response:
        """All tasks and whether they are in memory."""
        raw = await read_body(request, self._asker.settings.max_body_bytes)
        body = parsed(IndexBody, raw or b"{}")
        records = await asyncio.to_thread(self._records)
        entries = [_entry(record) for record in records]
        found = [each for each in entries if each["state"] == "READY" or not body.ready]
        return json_response(dumped(found))

    async def load(self, model: str) -> Response:
        """Loads a task and keeps it as long as there is room."""
        check_name(model)
        await asyncio.to_thread(self._store.load, model)
        return json_response(b"{}")

    async def unload(self, model: str) -> Response:
        """Takes a task out of memory; it stays on disk."""
        check_name(model)
        await asyncio.to_thread(self._store.unload, model)
        return json_response(b"{}")

    def _records(self) -> list[TaskRecord]:
        return [self._store.describe(name) for name in self._store.names()]

    async def _record(self, model: str, version: str | None) -> TaskRecord:
        check_name(model)
        record = await asyncio.to_thread(self._store.describe, model)
        known = {each.version for each in record.versions}
        if version is not None and version not in known:
            raise RequestError(404, "unknown_version", f"the task {model!r} has no such version.")
        return record


def _said(reply: Mapping[str, Any], is_good: bool) -> Response:
    return json_response(dumped(reply), status=200 if is_good else 503)


def _options_of(parameters: Mapping[str, Any]) -> Options:
    """Those of a request's parameters that are options here; others are of other servers."""
    known = {name: parameters[name] for name in Options.model_fields if name in parameters}
    try:
        return Options.model_validate(known)
    except ValidationError as error:
        name = error.errors()[0]["loc"][0]
        raise RequestError(422, "invalid_request", f"parameters.{name} is out of range.") from None


def _entry(record: TaskRecord) -> dict[str, Any]:
    entry = {
        "name": record.name,
        "state": _STATES.get(record.state, "UNAVAILABLE"),
        "reason": record.error or ("" if record.state in _STATES else "not in memory"),
    }
    return entry if record.version is None else {**entry, "version": record.version}
