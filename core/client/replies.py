"""Reading what a server said."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

from polyhead.client.steps import Reply
from polyhead.errors import ServerError

__all__ = ["Rows", "retry_after", "rows_of", "too_large", "value_of"]

_OK: Final = 200
Rows = list[dict[str, "dict[str, Any] | ServerError"]]
"""For each input each task's prediction, or why there is none."""


def value_of(reply: Reply) -> Any:
    """The JSON value of a reply that says yes.

    Raises:
        ServerError: It says no, or is not from a server of ours.
    """
    value = _json(reply)
    if reply.status != _OK:
        raise _refusal(reply, value)
    if value is None:
        raise _strange(reply)
    return value


def rows_of(reply: Reply, tasks: Sequence[str], n_inputs: int, start: int) -> Rows:
    """The rows of a reply to a request for predictions.

    Args:
        reply: The reply. Its status may say no where none of its rows was answered.
        tasks: The tasks asked.
        n_inputs: Inputs asked.
        start: The place of the first of them among all of the caller's.

    Raises:
        ServerError: The whole request was refused, or the reply is not from a server of ours.
    """
    value = _json(reply)
    results = value.get("results") if isinstance(value, dict) else None
    if results is None:
        raise _strange(reply) if reply.status == _OK else _refusal(reply, value)
    if not isinstance(results, list) or len(results) != n_inputs:
        raise _strange(reply)
    return [
        {task: _outcome(reply, row, task, start + place) for task in tasks}
        for place, row in enumerate(results)
    ]


def too_large(reply: Reply, index: int, task: str) -> ServerError:
    """Why a server did not read an input that was sent alone.

    Args:
        reply: What it said.
        index: The place of the input.
        task: The task that was asked.
    """
    refused = _refusal(reply, _json(reply))
    return ServerError(
        refused.reason, code=refused.code, status=reply.status, index=index, task=task
    )


def retry_after(reply: Reply) -> float | None:
    """When a server that refuses for now may answer, in seconds; None where it does not say."""
    if reply.status == _OK:
        return None
    error = _error_of(_json(reply))
    told = error.get("retry_after_s") if error else None
    if told is None:
        told = reply.headers.get("retry-after")
    try:
        seconds = float(told)  # type: ignore[arg-type]  # what is no number raises
    except (TypeError, ValueError):  # a date, which only proxies send
        return None
    return seconds if 0 <= seconds < math.inf else None


def _outcome(reply: Reply, row: object, task: str, index: int) -> dict[str, Any] | ServerError:
    if isinstance(row, dict):
        answer = _entry(row.get("answers"), task)
        if answer is not None:
            return answer
        error = _entry(row.get("errors"), task)
        if error is not None:
            return ServerError(
                str(error.get("message")), code=str(error.get("code")), index=index, task=task
            )
    raise _strange(reply)


def _entry(values: object, task: str) -> dict[str, Any] | None:
    found = values.get(task) if isinstance(values, dict) else None
    return found if isinstance(found, dict) else None


def _json(reply: Reply) -> Any:
    try:
        return json.loads(reply.body)
    except (ValueError, RecursionError):
        return None


def _error_of(value: object) -> Mapping[str, Any] | None:
    error = value.get("error") if isinstance(value, dict) else None
    return error if isinstance(error, dict) and "message" in error else None


def _refusal(reply: Reply, value: object) -> ServerError:
    error = _error_of(value)
    if error is None:  # from a proxy, or another server
        message = f"the server answered {reply.status} {_phrase(reply.status)}".rstrip()
        code = f"http_{reply.status}"
    else:
        message, code = str(error["message"]), str(error.get("code"))
    return ServerError(message, code=code, status=reply.status, retry_after_s=retry_after(reply))


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def _strange(reply: Reply) -> ServerError:
    return ServerError(
        "the answer is not that of a polyhead server; check the address.",
        code="bad_response",
        status=reply.status,
    )
