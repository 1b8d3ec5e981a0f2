"""Which tasks there are, and what is known of each."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Response

from polyhead.serve.http.asking import check_name
from polyhead.serve.http.declarations import responses
from polyhead.serve.http.schemas import TaskList
from polyhead.serve.http.wire import dumped, json_response
from polyhead.serve.store import TaskRecord, TaskStore

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Tasks"]


class Tasks:
    """GET /v1/tasks and GET /v1/tasks/{task}."""

    def __init__(self, store: TaskStore) -> None:
        self._store = store

    def add_to(self, app: FastAPI) -> None:
        """Adds the routes."""
        app.add_api_route(
            "/v1/tasks",
            self.all,
            methods=["GET"],
            tags=["tasks"],
            summary="List tasks",
            responses=responses(401, 500, ok=TaskList),
        )
        app.add_api_route(
            "/v1/tasks/{task}",
            self.one,
            methods=["GET"],
            tags=["tasks"],
            summary="Describe a task",
            responses=responses(401, 404, 422, 500, ok=TaskRecord),
        )

    async def all(self) -> Response:
        """Every task on disk or in memory, by name."""
        found = await asyncio.to_thread(self._summaries)
        return json_response(dumped({"tasks": found}))

    async def one(self, task: str) -> Response:
        """Its labels, schemas, an example, metrics, versions and its card."""
        check_name(task)
        record = await asyncio.to_thread(self._store.describe, task)
        return json_response(record.model_dump_json().encode())

    def _summaries(self) -> Sequence[dict[str, Any]]:
        records = (self._store.describe(name) for name in self._store.names())
        return [
            {
                "name": record.name,
                "head_kind": record.head_kind,
                "state": record.state,
                "version": record.version,
            }
            for record in records
        ]
