"""What routes declare of their bodies and responses, which they read and write themselves."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

from pydantic import BaseModel

from polyhead.serve.http.schemas import ErrorReply

__all__ = ["ASKING", "body_of", "responses"]

ASKING: Final = (400, 401, 404, 413, 415, 422, 429, 500, 503, 504)
"""The errors of a route that asks tasks."""

_STATUSES: Final = {
    400: "The body is not JSON, or not what this protocol knows.",
    401: "A key is needed.",
    403: "The key does not allow it, or nobody may do it here.",
    404: "There is no such task or version.",
    413: "The body, a text or the number of answers is over the server's limit.",
    415: "The body is not sent as JSON.",
    422: "The body is not what is asked for, or no input could be used.",
    429: "More waits than is answered in time; come back later.",
    500: "The server, or a task's head, failed.",
    503: "The server is stopping or not ready, or the task cannot be used now.",
    504: "There was no answer in the time that was allowed.",
}
_RETRY: Final = {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}}}
_WHO: Final = {"WWW-Authenticate": {"description": "How to send it.", "schema": {"type": "string"}}}


def responses(
    *statuses: int,
    ok: Any = None,
    error: type[BaseModel] = ErrorReply,
    partial: Collection[int] = (),
) -> dict[int | str, dict[str, Any]]:
    """The responses of a route, for FastAPI.

    Args:
        statuses: Of the errors that it has.
        ok: What it answers; None where that is no JSON.
        error: What it answers in place of that.
        partial: Statuses under which it may answer either.
    """
    found: dict[int | str, dict[str, Any]] = {}
    if ok is not None:
        found[200] = {"model": ok, "description": "The answer."}
    for status in statuses:
        model = ok | error if status in partial else error
        found[status] = {"model": model, "description": _STATUSES[status]}
        if status in {429, 503}:
            found[status]["headers"] = _RETRY
        elif status == 401:  # noqa: PLR2004
            found[status]["headers"] = _WHO
    return found


def body_of(body: type[BaseModel], *, is_required: bool = True) -> dict[str, Any]:
    """The body of a route that reads it itself; its schema is among the components."""
    schema = {"$ref": f"#/components/schemas/{body.__name__}"}
    content = {"application/json": {"schema": schema}}
    return {"requestBody": {"required": is_required, "content": content}}
