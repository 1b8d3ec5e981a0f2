"""Texts embedded as OpenAI's clients ask for it."""

from __future__ import annotations

import asyncio
import base64
import sys
from array import array
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from fastapi import FastAPI, Request, Response

from polyhead.errors import PolyheadError
from polyhead.serve.http.asking import Answered, Asker, Question, check_name
from polyhead.serve.http.bodies import EmbeddingsBody, parsed
from polyhead.serve.http.declarations import ASKING, body_of, responses
from polyhead.serve.http.limits import read_body
from polyhead.serve.http.request_errors import RequestError
from polyhead.serve.http.schemas import EmbeddingsReply, OpenAIError, OpenAIModel, OpenAIModels
from polyhead.serve.http.wire import dumped, json_response

if TYPE_CHECKING:
    from polyhead.serve.engine import Engine
    from polyhead.serve.store import TaskRecord, TaskStore

__all__ = ["OpenAI"]

_KIND: Final = "embedding"


class OpenAI:
    """POST /v1/embeddings, GET /v1/models and GET /v1/models/{model}."""

    def __init__(self, asker: Asker, engine: Engine, store: TaskStore) -> None:
        self._asker = asker
        self._engine = engine
        self._store = store

    def add_to(self, app: FastAPI) -> None:
        """Adds the routes."""
        app.add_api_route(
            "/v1/embeddings",
            self.embed,
            methods=["POST"],
            tags=["openai"],
            summary="Embed texts",
            responses=responses(
                *ASKING,
                ok=EmbeddingsReply,
                error=OpenAIError,
            ),
            openapi_extra=body_of(EmbeddingsBody),
        )
        app.add_api_route(
            "/v1/models",
            self.models,
            methods=["GET"],
            tags=["openai"],
            summary="List tasks",
            responses=responses(401, 500, ok=OpenAIModels, error=OpenAIError),
        )
        app.add_api_route(
            "/v1/models/{model}",
            self.model,
            methods=["GET"],
            tags=["openai"],
            summary="Describe a task",
            responses=responses(401, 404, 422, 500, ok=OpenAIModel, error=OpenAIError),
        )

    async def embed(self, request: Request) -> Response:
        """The embeddings of texts, by a task whose kind of head is embedding.

        One text that cannot be embedded is an error of the whole: this protocol has no others.
        """
        raw = await read_body(request, self._asker.settings.max_body_bytes)
        body = parsed(EmbeddingsBody, raw)
        question = Question(body.texts, [body.model], head_kind=_KIND)
        answered = await self._asker.ask(question, request)
        [outcomes] = answered.outcomes.values()
        failed = next((each for each in outcomes if isinstance(each, PolyheadError)), None)
        if failed is not None:
            raise RequestError.of(failed)
        return json_response(_reply(body, answered))

    async def models(self) -> Response:
        """All tasks, whatever their kind of head."""
        names = await asyncio.to_thread(self._store.names)
        records = await asyncio.to_thread(lambda: [self._store.describe(name) for name in names])
        body = {"object": "list", "data": [_model(record) for record in records]}
        return json_response(dumped(body))

    async def model(self, model: str) -> Response:
        """One task."""
        check_name(model)
        record = await asyncio.to_thread(self._store.describe, model)
        return json_response(dumped(_model(record)))


def _model(record: TaskRecord) -> dict[str, Any]:
    return {
        "id": record.name,
        "object": "model",
        "created": _created(record),
        "owned_by": "polyhead",
    }


def _created(record: TaskRecord) -> int:
    """When the current version was saved, in seconds since 1970; 0 where that is not known."""
    created = next((each.created for each in record.versions if each.is_current), None)
    return int(created.timestamp()) if isinstance(created, datetime) else int(created or 0)


def _reply(body: EmbeddingsBody, answered: Answered) -> bytes:
    [outcomes] = answered.outcomes.values()
    write = _base64 if body.encoding_format == "base64" else list
    data = [
        # of the head kind asked for, whose answers have an embedding
        {"object": "embedding", "index": place, "embedding": write(outcome.embedding)}  # type: ignore[union-attr]
        for place, outcome in enumerate(outcomes)
    ]
    usage = {"prompt_tokens": answered.n_tokens, "total_tokens": answered.n_tokens}
    reply = {"object": "list", "data": data, "model": body.model, "usage": usage}
    return dumped(reply)


def _base64(embedding: list[float]) -> str:
    """The numbers as float32, lowest byte first."""
    numbers = array("f", embedding)
    if sys.byteorder == "big":
        numbers.byteswap()
    return base64.b64encode(numbers.tobytes()).decode()
