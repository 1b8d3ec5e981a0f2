"""What is refused before its body is read."""

import pytest

from polyhead.errors import OverloadedError

ASKING = [
    "/v1/predict",
    "/v1/tasks/mood/predict",
    "/v1/embeddings",
    "/v2/models/mood/infer",
    "/v2/models/mood/versions/0123/infer",
]


@pytest.fixture
def full(server, monkeypatch):
    def refuse(priority, tasks=()):
        assert priority == "interactive"
        raise OverloadedError("too much waits; try again later.", retry_after_s=3.2)

    monkeypatch.setattr(server.engine, "check_room", refuse)
    return server


@pytest.mark.parametrize("path", ASKING)
def test_where_there_is_no_room_no_body_is_read(full, runner, path):
    sent = []

    async def receive():
        raise AssertionError("the body was read")

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [],
    }
    runner.run(full.app(scope, receive, send))
    assert sent[0]["status"] == 429
    assert (b"retry-after", b"4") in sent[0]["headers"]


@pytest.mark.parametrize("path", ASKING)
def test_each_protocol_says_it_in_its_own_words(full, path):
    reply = full.post(path, {})
    assert reply.status_code == 429
    error = reply.json()["error"]
    if path.startswith("/v2"):
        assert error == "too much waits; try again later."
    elif path == "/v1/embeddings":
        assert error["type"] == "rate_limit_error"
        assert error["code"] == "overloaded"
    else:
        assert error["code"] == "overloaded"
        assert error["retry_after_s"] == 3.2


def test_what_asks_nothing_is_answered_all_the_same(full):
    for path in ("/v1/tasks", "/livez", "/v2/models/mood", "/metrics"):
        assert full.get(path).status_code == 200


@pytest.mark.parametrize("path", ASKING)
def test_a_server_that_is_stopping_takes_nothing_more(make_server, path):
    server = make_server()
    server.engine.drain()
    reply = server.post(path, {})
    assert reply.status_code == 503
    assert int(reply.headers["retry-after"]) >= 1


def test_what_was_taken_before_is_still_answered(make_server, monkeypatch):
    server = make_server()
    real = server.engine.enqueue

    def enqueue_and_drain(reading, **options):
        request = real(reading, **options)
        server.engine.drain()
        return request

    monkeypatch.setattr(server.engine, "enqueue", enqueue_and_drain)
    assert server.post("/v1/predict", {"task": "mood", "inputs": ["a"] * 50}).status_code == 200
    assert server.post("/v1/predict", {"task": "mood", "inputs": ["a"]}).status_code == 503
