"""How much a request may hold, checked while it is read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from polyhead.serve.http.request_errors import CLIENT_GONE, RequestError
from polyhead.serve.http.wire import header_of

if TYPE_CHECKING:
    from fastapi import Request

__all__ = ["check_rows", "check_texts", "read_body"]


async def read_body(request: Request, max_bytes: int) -> bytes:
    """The body of a request, as it is being sent.

    Raises:
        RequestError: It is not JSON by its own account, is longer than allowed, or breaks off.
    """
    _check_media(request)
    announced = header_of(request.scope, b"content-length")
    if announced is not None and announced.isdigit() and int(announced) > max_bytes:
        raise _too_long(max_bytes)
    parts: list[bytes] = []
    n_bytes = 0
    while True:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise RequestError(CLIENT_GONE, "cancelled", "the request broke off.")
        part = message.get("body", b"")
        n_bytes += len(part)
        if n_bytes > max_bytes:
            raise _too_long(max_bytes)
        parts.append(part)
        if not message.get("more_body", False):
            return parts[0] if len(parts) == 1 else b"".join(parts)


def _check_media(request: Request) -> None:
    kind = header_of(request.scope, b"content-type")
    essence = b"application/json"  # where nobody says otherwise
    if kind is not None:
        essence = kind.partition(b";")[0].strip().lower()
    if essence != b"application/json" and not essence.endswith(b"+json"):
        raise RequestError(
            415, "not_json", "the body must be JSON; send it with Content-Type: application/json."
        )
    encoding = header_of(request.scope, b"content-encoding")
    if encoding is not None and encoding.strip().lower() not in {b"", b"identity"}:
        raise RequestError(415, "compressed", "the body must not be compressed; send it as it is.")


def _too_long(max_bytes: int) -> RequestError:
    return RequestError(
        413,
        "body_too_large",
        f"the body is longer than {max_bytes} bytes; send fewer inputs at a time.",
    )


def check_rows(n_inputs: int, n_tasks: int, max_rows: int) -> None:
    """Refuses a request for more answers than are given at once.

    Raises:
        RequestError: It is one.
    """
    if n_inputs * n_tasks > max_rows:
        raise RequestError(
            413,
            "too_many_rows",
            f"{n_inputs} inputs for {n_tasks} task{'s' * (n_tasks > 1)} are {n_inputs * n_tasks} "
            f"answers, and one request has at most {max_rows}; send fewer at a time.",
        )


def check_texts(inputs: Sequence[object], max_chars: int) -> int:
    """Refuses a text longer than is read, wherever it stands in an input.

    Returns:
        The characters of all texts.

    Raises:
        RequestError: There is one.
    """
    n_chars = 0
    for place, value in enumerate(inputs):
        waiting = [value]
        while waiting:
            part = waiting.pop()
            if isinstance(part, str):
                n_chars += len(part)
                if len(part) > max_chars:
                    raise RequestError(
                        413,
                        "text_too_long",
                        f"inputs[{place}] has a text of {len(part)} characters, and one may have "
                        f"at most {max_chars}; split it.",
                        field="inputs",
                    )
            elif isinstance(part, list | tuple):
                waiting.extend(part)
            elif isinstance(part, dict):
                waiting.extend(part)
                waiting.extend(part.values())
    return n_chars
