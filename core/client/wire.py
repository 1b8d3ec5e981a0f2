"""Sending what a conversation asks for over HTTP: the only place that needs httpx."""

from __future__ import annotations

import asyncio
import time
from importlib.metadata import version
from typing import Any, Final, TypeVar

import httpx

from polyhead.client.steps import Lost, Pause, Reply, Send, Step, Talk

__all__ = ["AsyncWire", "Wire"]

T = TypeVar("T")

_NOT_SENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
_LIMITS: Final = httpx.Limits(
    max_connections=None,  # as many as there are threads or tasks that ask
    max_keepalive_connections=20,
    keepalive_expiry=4,  # before the server closes it: what is sent then would be lost
)


class Wire:
    """Holds conversations with a server in the thread that asks."""

    def __init__(self, url: str, transport: httpx.BaseTransport | None = None) -> None:
        self._client = httpx.Client(transport=transport, **_settings(url))

    def hold(self, talk: Talk[T]) -> T:
        """Takes the steps of a conversation.

        Returns:
            What it found out.
        """
        said: Reply | Lost | None = None
        while True:
            try:
                step = talk.send(said)
            except StopIteration as end:
                result: T = end.value
                return result
            said = self._take(step)

    def close(self) -> None:
        """Closes its connections."""
        self._client.close()

    def _take(self, step: Step) -> Reply | Lost | None:
        if isinstance(step, Pause):
            time.sleep(step.seconds)
            return None
        try:
            return _reply(self._client.request(**_request(step)))
        except httpx.TransportError as error:
            return _lost(error)


class AsyncWire:
    """Holds conversations with a server in an event loop."""

    def __init__(self, url: str, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._client = httpx.AsyncClient(transport=transport, **_settings(url))

    async def hold(self, talk: Talk[T]) -> T:
        """Takes the steps of a conversation.

        Returns:
            What it found out.
        """
        said: Reply | Lost | None = None
        while True:
            try:
                step = talk.send(said)
            except StopIteration as end:
                result: T = end.value
                return result
            said = await self._take(step)

    async def close(self) -> None:
        """Closes its connections."""
        await self._client.aclose()

    async def _take(self, step: Step) -> Reply | Lost | None:
        if isinstance(step, Pause):
            await asyncio.sleep(step.seconds)
            return None
        try:
            return _reply(await self._client.request(**_request(step)))
        except httpx.TransportError as error:
            return _lost(error)


def _settings(url: str) -> dict[str, Any]:
    headers = {"accept": "application/json", "user-agent": f"polyhead/{version('polyhead')}"}
    return {"base_url": url, "headers": headers, "limits": _LIMITS}


def _request(step: Send) -> dict[str, Any]:
    call = step.call
    headers = {}
    if call.body is not None:
        headers["content-type"] = "application/json"
    if call.key is not None:
        headers["authorization"] = f"Bearer {call.key}"
    return {
        "method": call.method,
        "url": call.path,
        "content": call.body,
        "headers": headers,
        "timeout": step.timeout_s,
    }


def _reply(response: httpx.Response) -> Reply:
    headers = {name.lower(): value for name, value in response.headers.items()}
    return Reply(response.status_code, headers, response.content)


def _lost(error: httpx.TransportError) -> Lost:
    reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
    is_timeout = isinstance(error, httpx.TimeoutException)
    return Lost(reason, is_timeout=is_timeout, was_sent=not isinstance(error, _NOT_SENT))
