"""What only a socket shows: clients that leave, bodies that never end."""

import json
import socket
import threading

import httpx
import pytest

HEAD = b"POST /v1/predict HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\n"
BODY = json.dumps({"task": "mood", "inputs": ["a text"]}).encode()


def send(port, *parts):
    connection = socket.create_connection(("127.0.0.1", port), timeout=10)
    for part in parts:
        connection.sendall(part)
    return connection


def status_of(connection):
    return int(connection.makefile("rb").readline().split()[1])


@pytest.fixture
def asked(server, monkeypatch):
    """Requests that the engine was asked, which it never answers; and a signal for each."""
    requests = []
    came = threading.Semaphore(0)

    def keep(reading, **_):
        requests.append(reading.request)
        came.release()
        return reading.request

    monkeypatch.setattr(server.engine, "enqueue", keep)
    return requests, came


def test_a_client_that_leaves_is_not_computed_for(server, live, asked, caplog):
    caplog.set_level("INFO", "polyhead.access")
    requests, came = asked
    connection = send(live, HEAD, b"Content-Length: %d\r\n\r\n" % len(BODY), BODY)
    assert came.acquire(timeout=10)
    assert server.store.n_held == 1
    connection.close()
    requests[0].done.result(timeout=10)
    assert requests[0].is_cancelled
    assert httpx.get(f"http://127.0.0.1:{live}/livez").status_code == 200
    lines = [json.loads(r.getMessage()) for r in caplog.records if r.name == "polyhead.access"]
    assert (499, "cancelled") in [(line["status"], line.get("error")) for line in lines]
    assert server.store.n_held == 0


def test_a_client_that_leaves_in_the_middle_of_its_body_is_forgotten(server, live):
    connection = send(live, HEAD, b"Content-Length: 1000\r\n\r\n", BODY)
    connection.close()
    assert httpx.get(f"http://127.0.0.1:{live}/livez").status_code == 200
    assert server.store.n_held == 0


def test_a_body_in_chunks_is_read(live):
    parts = [BODY[:5], BODY[5:]]
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
    with send(live, HEAD, b"Transfer-Encoding: chunked\r\n\r\n", chunks) as connection:
        assert status_of(connection) == 200


def test_a_body_in_chunks_without_end_is_refused_while_it_comes(live):
    chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    with send(live, HEAD, b"Transfer-Encoding: chunked\r\n\r\n", *[chunk] * 40) as connection:
        assert status_of(connection) == 413


def test_a_long_body_is_refused_by_its_announcement(live):
    with send(live, HEAD, b"Content-Length: 99999999\r\n\r\n") as connection:
        assert status_of(connection) == 413


def test_a_client_that_sends_all_of_a_long_body_still_hears_why(live):
    reply = httpx.post(f"http://127.0.0.1:{live}/v1/predict", content=b" " * 8_000_000)
    assert reply.status_code == 413
    assert reply.json()["error"]["code"] == "body_too_large"


@pytest.mark.parametrize(
    "head", [b"NONSENSE\r\n\r\n", b"GET /v1/tasks HTTP/9.9\r\n\r\n", b"\x16\x03\x01\x00\r\n\r\n"]
)
def test_what_is_no_http_does_not_harm(live, head):
    send(live, head).close()
    assert httpx.get(f"http://127.0.0.1:{live}/livez").status_code == 200
