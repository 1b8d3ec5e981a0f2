"""Tasks loaded, unloaded, pinned and rolled back, with a key."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from fastapi import FastAPI, Request, Response

from polyhead.serve.http.asking import check_name
from polyhead.serve.http.bodies import RollbackBody, parsed
from polyhead.serve.http.declarations import body_of, responses
from polyhead.serve.http.limits import read_body
from polyhead.serve.http.schemas import RefreshReply
from polyhead.serve.http.wire import dumped, json_response
from polyhead.serve.store import TaskRecord, TaskStore

if TYPE_CHECKING:
    from polyhead.serve.http.settings import ServerSettings

__all__ = ["Admin"]


class Admin:
    """POST /v1/admin/tasks/{task}/load|unload|pin|unpin|rollback and POST /v1/admin/refresh."""

    def __init__(self, store: TaskStore, settings: ServerSettings) -> None:
        self._store = store
        self._settings = settings

    def add_to(self, app: FastAPI) -> None:
        """Adds the routes."""
        replies = responses(401, 403, 404, 422, 500, 503, ok=TaskRecord)
        for word, summary, endpoint in (
            ("load", "Load a task", self.load),
            ("unload", "Take a task out of memory", self.unload),
            ("pin", "Keep a task in memory", self.pin),
            ("unpin", "Let a task go where room is needed", self.unpin),
        ):
            app.add_api_route(
                f"/v1/admin/tasks/{{task}}/{word}",
                endpoint,
                methods=["POST"],
                tags=["admin"],
                summary=summary,
                responses=replies,
            )
        app.add_api_route(
            "/v1/admin/tasks/{task}/rollback",
            self.rollback,
            methods=["POST"],
            tags=["admin"],
            summary="Go back to another version of a task",
            responses=responses(400, 401, 403, 404, 413, 415, 422, 500, 503, ok=TaskRecord),
            openapi_extra=body_of(RollbackBody, is_required=False),
        )
        app.add_api_route(
            "/v1/admin/refresh",
            self.refresh,
            methods=["POST"],
            tags=["admin"],
            summary="Look for new tasks and versions",
            responses=responses(401, 403, 500, 503, ok=RefreshReply),
        )

    async def load(self, task: str) -> Response:
        """Loads the task's current version, where it is not in memory."""
        return await self._change(task, lambda: self._store.load(task))

    async def unload(self, task: str) -> Response:
        """Takes it out of memory, once nobody asks it; it stays on disk."""
        return await self._change(task, lambda: self._store.unload(task))

    async def pin(self, task: str) -> Response:
        """Loads it, and never takes it out to make room."""
        return await self._change(task, lambda: self._store.pin(task))

    async def unpin(self, task: str) -> Response:
        """Treats it as any other again."""
        return await self._change(task, lambda: self._store.pin(task, pinned=False))

    async def rollback(self, request: Request, task: str) -> Response:
        """Answers with another version from now on: the one that is named, or the one before."""
        body = parsed(
            RollbackBody, await read_body(request, self._settings.max_body_bytes) or b"{}"
        )
        return await self._change(task, lambda: self._store.rollback(task, body.version))

    async def refresh(self) -> Response:
        """Scans the folder of tasks, as it is done when the folder is watched."""
        await asyncio.to_thread(self._store.refresh)
        names = await asyncio.to_thread(self._store.names)
        return json_response(dumped({"tasks": names}))

    async def _change(self, task: str, change: Callable[[], TaskRecord]) -> Response:
        check_name(task)
        record = await asyncio.to_thread(change)
        return json_response(record.model_dump_json().encode())
