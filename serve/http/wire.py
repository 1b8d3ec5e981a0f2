"""What there is of a request before anything is parsed, and responses of JSON that is ready."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fastapi import Response

if TYPE_CHECKING:
    from starlette.types import Scope

__all__ = ["dumped", "header_of", "json_response", "path_of"]


def json_response(
    body: bytes, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """A response of JSON that is written already."""
    return Response(
        body, status_code=status, headers=dict(headers or {}), media_type="application/json"
    )


def dumped(value: Any) -> bytes:
    """`value` as JSON without spaces."""
    return json.dumps(value, separators=(",", ":")).encode()


def header_of(scope: Scope, name: bytes) -> bytes | None:
    """The first header of that lower-case name."""
    headers: list[tuple[bytes, bytes]] = scope["headers"]
    return next((value for key, value in headers if key == name), None)


def path_of(scope: Scope) -> str:
    """The path below the place where the server is mounted."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "")
    return path[len(root) :] if root and path.startswith(f"{root}/") else path
