import asyncio
import json

import pytest

from polyhead.serve.ui.doors import Doors


async def echo(scope, receive, send):
    message = await receive()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"a", b"b")]})
    await send({"type": "http.response.body", "body": message["body"]})


def asked(path, *parts, kind="http"):
    """What is sent for a request to /ui and `path`, with a body in these parts."""
    messages = [
        {"type": "http.request", "body": part, "more_body": number < len(parts)}
        for number, part in enumerate(parts, start=1)
    ] or [{"type": "http.request", "body": b""}]
    sent = []

    async def receive():
        return messages.pop(0)

    async def send(message):
        sent.append(message)

    scope = {"type": kind, "path": f"/ui{path}", "root_path": "/ui"}
    asyncio.run(Doors(echo, max_body_bytes=10)(scope, receive, send))
    return sent


@pytest.mark.parametrize(
    "path", ["", "/", "/login", "/login/", "/assets/a.js", "/gradio_api/run/predict"]
)
def test_what_the_page_needs_is_open(path):
    assert asked(path)[0]["status"] == 200


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/upload",
        "/gradio_api/file=/etc/passwd",
        "/gradio_api/file/etc/passwd",
        "/gradio_api/proxy=https://example.org",
        "/gradio_api/info",
        "/gradio_api/openapi.json",
        "/gradio_api/queue/join",
        "/gradio_api/call/answer",
        "/gradio_api/run/answer",
        "/gradio_api/heartbeat/1",
        "/gradio_api/vibe-edit/",
        "/monitoring",
        "/svelte/a",
        "/loginx",
        "/assetsx",
    ],
)
def test_nothing_else_is_there(path):
    start, body = asked(path)
    assert start["status"] == 404
    assert json.loads(body["body"])["error"]["code"] == "not_found"


def test_a_page_may_fetch_nothing_from_elsewhere():
    headers = dict(asked("/")[0]["headers"])
    policy = headers[b"content-security-policy"].decode()
    assert "default-src 'self'" in policy
    assert "http" not in policy
    assert headers[b"a"] == b"b"


def test_a_body_arrives_whole():
    assert asked("/login", b"abc", b"def")[1]["body"] == b"abcdef"


def test_a_body_that_is_too_long_is_refused():
    start, body = asked("/login", b"0123456789", b"0")
    assert start["status"] == 413
    assert json.loads(body["body"])["error"]["code"] == "body_too_large"


def test_there_are_no_web_sockets():
    assert asked("/", kind="websocket")[0]["type"] == "websocket.close"
