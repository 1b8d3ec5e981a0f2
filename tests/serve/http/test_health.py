"""Whether the server is alive and takes requests."""

from dataclasses import replace

import pytest


def with_health(server, monkeypatch, **changes):
    health = replace(server.engine.health(), **changes)
    monkeypatch.setattr(server.engine, "health", lambda: health)


def test_a_running_server_is_alive_and_ready(server):
    for path in ("/livez", "/readyz"):
        assert server.get(path).json() == {"status": "ok"}
        assert server.ask("HEAD", path).status_code == 200
    assert server.get("/v2/health/live").json() == {"live": True}
    assert server.get("/v2/health/ready").json() == {"ready": True}


@pytest.mark.parametrize(
    ("changes", "code", "is_alive"),
    [
        ({"is_running": False}, "not_running", False),
        ({"is_stalled": True}, "stalled", False),
        ({"is_draining": True}, "draining", True),
    ],
)
def test_one_that_does_not_do_its_work_says_why(server, monkeypatch, changes, code, is_alive):
    with_health(server, monkeypatch, **changes)
    ready = server.get("/readyz")
    assert ready.status_code == 503
    assert ready.json()["error"]["code"] == code
    assert ready.headers["retry-after"]
    assert server.get("/livez").status_code == (200 if is_alive else 503)
    assert server.get("/v2/health/ready").status_code == 503
    assert server.get("/v2/health/live").status_code == (200 if is_alive else 503)
    assert server.get("/v2/models/mood/ready").json()["ready"] is False


def test_one_that_has_not_started_is_not_ready(make_server):
    server = make_server(is_started=False)
    assert server.get("/readyz").status_code == 503
    assert server.post("/v1/predict", {"task": "mood", "inputs": ["a"]}).status_code == 503
