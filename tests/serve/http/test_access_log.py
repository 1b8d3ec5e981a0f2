"""The log of requests: what is in a line, and what never is."""

import json
import logging

import pytest

SECRET = "my-private-words"  # noqa: S105 - nobody's password


@pytest.fixture
def lines(caplog):
    caplog.set_level(logging.INFO, "polyhead.access")

    def read():
        return [
            json.loads(record.getMessage())
            for record in caplog.records
            if record.name == "polyhead.access"
        ]

    return read


def test_a_line_says_what_was_asked_and_what_became_of_it(server, lines):
    server.post("/v1/predict", {"tasks": ["mood", "stars"], "inputs": ["one", "two"]})
    [line] = lines()
    assert line.pop("time").endswith("+00:00")
    assert line.pop("ms") >= 0
    assert len(line.pop("request_id")) == 16
    assert line.pop("n_tokens") > 0
    assert line == {
        "method": "POST",
        "route": "/v1/predict",
        "status": 200,
        "tasks": ["mood", "stars"],
        "n_rows": 4,
    }


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"task": "nobody", "inputs": ["a"]}, 404, "unknown_task"),
        ({"task": "mood", "inputs": [""]}, 422, "invalid_input"),
        ({"task": "mood"}, 422, "invalid_request"),
    ],
)
def test_the_line_of_a_refused_request_has_its_code(server, lines, body, status, code):
    server.post("/v1/predict", body)
    [line] = lines()
    assert (line["status"], line["error"]) == (status, code)


def test_no_line_has_a_text_a_key_or_a_raw_path(make_server, lines, caplog):
    server = make_server(api_keys=[SECRET])
    headers = {"Authorization": f"Bearer {SECRET}", "User-Agent": SECRET}
    server.post("/v1/predict", {"task": "mood", "inputs": [SECRET]}, headers=headers)
    server.post("/v1/predict", {"task": SECRET, "inputs": [SECRET]}, headers=headers)
    server.post("/v1/predict", {"task": "mood", "inputs": [{SECRET: SECRET}]}, headers=headers)
    server.post(f"/v1/tasks/{SECRET}/predict?{SECRET}", {"inputs": [SECRET]}, headers=headers)
    server.get(f"/{SECRET}?q={SECRET}", headers=headers)
    server.get("/v1/tasks", headers={"X-API-Key": f"{SECRET}-wrong"})
    server.post("/v1/predict", SECRET, headers=headers)
    assert len(lines()) == 7
    own = [record for record in caplog.records if record.name.startswith("polyhead")]
    assert all(SECRET not in record.getMessage() for record in own)
    assert {line["route"] for line in lines()} == {
        "/v1/predict",
        "/v1/tasks/{task}/predict",
        "unmatched",
    }


def test_a_safe_request_id_is_kept_and_returned(server, lines):
    reply = server.get("/livez", headers={"X-Request-ID": "Trace-1.2_3"})
    assert reply.headers["x-request-id"] == "Trace-1.2_3"
    assert lines()[0]["request_id"] == "Trace-1.2_3"


@pytest.mark.parametrize("given", ["", "a b", "x" * 65, '"', "a\\nb", "é".encode()])
def test_another_one_is_replaced(server, lines, given):
    reply = server.get("/livez", headers={"X-Request-ID": given})
    assert len(reply.headers["x-request-id"]) == 16
    assert lines()[0]["request_id"] == reply.headers["x-request-id"]


def test_a_request_that_was_refused_at_the_gate_has_its_line(make_server, lines):
    server = make_server(api_keys=["one"])
    server.post("/v1/predict", {})
    assert [(line["status"], line["error"]) for line in lines()] == [(401, "no_key")]


def test_it_can_be_switched_off(make_server, lines):
    server = make_server(access_log=False)
    assert server.get("/livez").headers["x-request-id"]
    assert lines() == []
