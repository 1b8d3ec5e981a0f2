"""What is said in place of an answer, in the words of the protocol that was spoken."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Final

from fastapi import Response

from polyhead.errors import EngineError, PolyheadError
from polyhead.serve.codes import code_of, status_of
from polyhead.serve.http.wire import dumped, json_response

__all__ = ["CLIENT_GONE", "RequestError", "error_response"]

CLIENT_GONE: Final = 499
"""The status of a request whose client did not wait; nobody reads it, the log has it."""

_CODES: Final = {
    400: "bad_request",
    401: "no_key",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
    415: "not_json",
    422: "invalid_request",
}


class RequestError(Exception):
    """Why a request as a whole is not answered.

    Attributes:
        status: Of the response.
        code: What it is, in one word.
        message: What it is, and what helps, in one sentence.
        retry_after_s: When it may be worth another try.
        headers: That the response has beside the usual ones.
        field: Which part of the body is at fault.
    """

    def __init__(
        self,
        status: int,
        code: str | None,
        message: str,
        *,
        retry_after_s: float | None = None,
        headers: Mapping[str, str] | None = None,
        field: str | None = None,
    ) -> None:
        self.status = status
        self.code = code or _CODES.get(status, "failed")
        self.message = message
        self.retry_after_s = retry_after_s
        self.headers = dict(headers or {})
        self.field = field
        super().__init__(message)

    @classmethod
    def of(cls, error: PolyheadError) -> RequestError:
        """What `error` is to those who asked."""
        retry_after_s = error.retry_after_s if isinstance(error, EngineError) else None
        return cls(status_of(error), code_of(error), str(error), retry_after_s=retry_after_s)

    @property
    def all_headers(self) -> dict[str, str]:
        """Those of the response, with Retry-After where it may be worth another try."""
        if self.status not in {429, 503}:
            return self.headers
        return {"Retry-After": str(max(1, math.ceil(self.retry_after_s or 1))), **self.headers}


def error_response(problem: RequestError, path: str) -> Response:
    """The response that says it.

    Args:
        problem: What is wrong.
        path: What was asked: it decides whose words are used.
    """
    shape = _shape_of(path)
    is_invalid = shape is _openai and problem.status == 422  # noqa: PLR2004 - they know no 422
    return json_response(
        dumped(shape(problem)),
        status=400 if is_invalid else problem.status,
        headers=problem.all_headers,
    )


def _shape_of(path: str) -> Callable[[RequestError], dict[str, Any]]:
    if path == "/v2" or path.startswith("/v2/"):
        return _kserve
    if path in {"/v1/embeddings", "/v1/models"} or path.startswith("/v1/models/"):
        return _openai
    return _own


def _own(problem: RequestError) -> dict[str, Any]:
    error: dict[str, Any] = {"code": problem.code, "message": problem.message}
    if problem.retry_after_s is not None:
        error["retry_after_s"] = round(problem.retry_after_s, 3)
    return {"error": error}


def _kserve(problem: RequestError) -> dict[str, Any]:
    return {"error": problem.message}


def _openai(problem: RequestError) -> dict[str, Any]:
    kinds = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
    other = "server_error" if problem.status >= 500 else "invalid_request_error"  # noqa: PLR2004
    return {
        "error": {
            "message": problem.message,
            "type": kinds.get(problem.status, other),
            "param": problem.field,
            "code": problem.code,
        }
    }
