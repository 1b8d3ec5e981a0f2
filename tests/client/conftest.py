"""A server of a few lines that speaks as ours does, and both clients, asked alike."""

import asyncio
import inspect
import json
from collections.abc import Callable

import httpx
import pytest

from polyhead.client import AsyncClient, Client

URL = "http://models.example.org"


class FakeServer:
    """Answers each text with its length.

    Attributes:
        requests: What was asked: method, path, headers and body as JSON.
        first: Replies, or errors to raise, that come before anything is answered.
        most: Inputs of a request.
        longest: Characters of a text.
    """

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, httpx.Headers, object]] = []
        self.first: list[httpx.Response | Exception] = []
        self.most = self.longest = 10_000_000

    def __call__(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content) if request.content else None
        self.requests.append((request.method, request.url.path, request.headers, body))
        if self.first:
            reply = self.first.pop(0)
            if isinstance(reply, Exception):
                raise reply
            return reply
        if request.url.path == "/v1/predict":
            if len(body["inputs"]) > self.most:
                return refusal(413, "too_many_rows")
            if max(map(len, body["inputs"])) > self.longest:
                return refusal(413, "text_too_long")
            return httpx.Response(200, json=self._predictions(body))
        return httpx.Response(200, json={"path": request.url.path, "tasks": [{"name": "length"}]})

    @property
    def bodies(self) -> list[object]:
        return [body for *_, body in self.requests]

    def _predictions(self, body: dict) -> dict:
        rows = []
        for value in body["inputs"]:
            row = {"answers": {}, "errors": {}}
            for task in body["tasks"]:
                if value == "bad":
                    row["errors"][task] = {"code": "invalid_input", "message": "it is bad."}
                else:
                    row["answers"][task] = {"task": task, "length": len(value)}
            rows.append(row)
        return {"results": rows, "tasks": {}, "usage": {"n_tokens": 1}}


class Awaited:
    """An AsyncClient whose methods are awaited as they are called."""

    def __init__(self, client: AsyncClient) -> None:
        self.client = client

    def __getattr__(self, name: str) -> object:
        found = getattr(self.client, name)
        if not inspect.iscoroutinefunction(found):
            return found
        return lambda *values, **options: asyncio.run(found(*values, **options))


def refusal(status: int, code: str, **more: object) -> httpx.Response:
    error = {"code": code, "message": f"this is {code}.", **more}
    return httpx.Response(status, json={"error": error})


@pytest.fixture
def server() -> FakeServer:
    return FakeServer()


@pytest.fixture(params=["threads", "event_loop"])
def make_client(request, server) -> Callable[..., Client | Awaited]:
    def make(url: str = URL, **options: object) -> Client | Awaited:
        transport = httpx.MockTransport(server)
        if request.param == "threads":
            return Client(url, transport=transport, **options)
        return Awaited(AsyncClient(url, transport=transport, **options))

    return make


@pytest.fixture
def client(make_client) -> Client | Awaited:
    return make_client()


@pytest.fixture
def pauses(monkeypatch) -> list[float]:
    """The waits of the clients, which are not waited."""
    found: list[float] = []

    async def rest(seconds: float) -> None:
        found.append(seconds)

    monkeypatch.setattr("polyhead.client.wire.time.sleep", found.append)
    monkeypatch.setattr("polyhead.client.wire.asyncio.sleep", rest)
    return found
