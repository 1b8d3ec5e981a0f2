"""What is wrong with a request is said in one line, with the status of its kind."""

import json

import pytest

GOOD = {"task": "mood", "inputs": ["a text"]}


def post_raw(server, raw, path="/v1/predict", **headers):
    headers = {"content-type": "application/json", **headers}
    return server.ask("POST", path, content=raw, headers=headers)


@pytest.mark.parametrize(
    ("raw", "status", "code"),
    [
        (b"", 400, "invalid_json"),
        (b"{", 400, "invalid_json"),
        (b"task=mood", 400, "invalid_json"),
        (b'{"task": "mood", "inputs": ["a"],}', 400, "invalid_json"),
        (b'{"task": "mood", "inputs": ["a"]} and more', 400, "invalid_json"),
        (b'{"task": "mood", "inputs": ["\xff\xfe"]}', 400, "invalid_json"),
        (b"[" * 10_000, 400, "invalid_json"),
        (b'{"task": "mood", "inputs": [' + b"[" * 500 + b"]" * 500 + b"]}", 400, "invalid_json"),
        (b'{"task": "mood", "inputs": [{"text": NaN}]}', 400, "invalid_json"),
        (b'{"task": "mood", "inputs": [{"text": -Infinity}]}', 400, "invalid_json"),
        (b'{"task": "mood", "inputs": ["\\ud800"]}', 422, "invalid_input"),
        (b"null", 422, "invalid_request"),
        (b"[]", 422, "invalid_request"),
        (b'"a text"', 422, "invalid_request"),
        (b"1e400", 422, "invalid_request"),
    ],
)
def test_a_body_that_is_no_request(server, raw, status, code):
    reply = post_raw(server, raw)
    assert (reply.status_code, reply.json()["error"]["code"]) == (status, code)
    assert "\n" not in reply.json()["error"]["message"]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"inputs": ["a"]}, "give task, or tasks"),
        ({"task": "mood", "tasks": ["mood"], "inputs": ["a"]}, "not both"),
        ({"task": "mood"}, "field 'inputs' is missing"),
        ({**GOOD, "inputs": []}, "inputs: List should have at least 1 item"),
        ({**GOOD, "inputs": "a text"}, "inputs: Input should be a valid array"),
        ({**GOOD, "inputs": {"text": "a"}}, "inputs: Input should be a valid array"),
        ({**GOOD, "inputs": [5]}, "inputs[0] is 5"),
        ({**GOOD, "inputs": ["a", None]}, "inputs[1] is None"),
        ({**GOOD, "inputs": ["a", True]}, "inputs[1] is True"),
        ({**GOOD, "inputs": [[]]}, "inputs[0] is []"),
        ({**GOOD, "task": 5}, "task: Input should be a valid string"),
        ({**GOOD, "task": None}, "task: Input should be a valid string"),
        ({"tasks": [], "inputs": ["a"]}, "tasks: List should have at least 1 item"),
        ({"tasks": "mood", "inputs": ["a"]}, "tasks: Input should be a valid array"),
        ({"tasks": ["mood", 5], "inputs": ["a"]}, "tasks[1]: Input should be a valid string"),
        ({**GOOD, "adapter": "x"}, "unknown field 'adapter'"),
        ({**GOOD, "options": []}, "options: "),
        ({**GOOD, "options": {"priority": "urgent"}}, "options.priority: "),
        ({**GOOD, "options": {"timeout_s": 0}}, "options.timeout_s: "),
        ({**GOOD, "options": {"timeout_s": -1}}, "options.timeout_s: "),
        ({**GOOD, "options": {"timeout_s": 1e9}}, "options.timeout_s: "),
        ({**GOOD, "options": {"timeout_s": "5"}}, "options.timeout_s: "),
        ({**GOOD, "options": {"private": "yes"}}, "options.private: "),
        ({**GOOD, "options": {"private": 1}}, "options.private: "),
        ({**GOOD, "options": {"cache": 1}}, "unknown field 'options.cache'"),
    ],
)
def test_a_field_that_is_wrong_is_named(server, body, says):
    reply = server.post("/v1/predict", body)
    assert reply.status_code == 422
    error = reply.json()["error"]
    assert error["code"] == "invalid_request"
    assert says in error["message"]
    assert "\n" not in error["message"]


def test_a_task_in_the_body_is_refused_where_the_path_has_it(server):
    reply = server.post("/v1/tasks/mood/predict", GOOD)
    assert reply.status_code == 422
    assert "unknown field 'task'" in reply.json()["error"]["message"]


def test_no_text_comes_back_whole(server):
    secret = "my secret " * 500
    for body in (
        {**GOOD, "task": secret},
        {**GOOD, "tasks": secret},
        {**GOOD, secret: 1},
        {**GOOD, "inputs": [{"text": 5, "x": secret}]},
        {**GOOD, "inputs": [{secret: 1}]},
        {**GOOD, "options": {"priority": secret}},
        {**GOOD, "options": secret},
    ):
        reply = server.post("/v1/predict", body)
        assert reply.status_code in {404, 422}
        assert len(reply.text) < 700
        assert secret[:100] not in reply.text


@pytest.mark.parametrize(
    "name",
    [
        "nobody",
        "../mood",
        "mood/",
        "",
        ".",
        "mood\x00",
        "MOOD ",
        "a" * 65,
        "ünï",
        "hub/model",
        "C:\\x",
    ],
)
def test_a_name_that_is_no_task(server, name):
    reply = server.post("/v1/predict", {"task": name, "inputs": ["a"]})
    assert reply.status_code == 404
    assert reply.json()["error"]["code"] == "unknown_task"
    assert server.store.n_held == 0


def test_one_unknown_task_among_several_refuses_the_whole(server):
    reply = server.post("/v1/predict", {"tasks": ["mood", "modo"], "inputs": ["a"]})
    assert reply.status_code == 404
    assert "Did you mean 'mood'?" in reply.json()["error"]["message"]


@pytest.mark.parametrize("path", ["/v1/tasks/nobody/predict", "/v1/tasks/%2e%2e/predict"])
def test_a_path_to_no_task(server, path):
    reply = server.post(path, {"inputs": ["a"]})
    assert reply.status_code == 404


def test_too_many_answers_are_refused(make_server):
    server = make_server(max_rows=6)
    inputs = ["a", "b", "c"]
    tasks = ["mood", "stars", "topics"]
    assert server.post("/v1/predict", {"tasks": tasks[:2], "inputs": inputs}).status_code == 200
    reply = server.post("/v1/predict", {"tasks": tasks, "inputs": inputs})
    assert reply.status_code == 413
    assert reply.json()["error"]["code"] == "too_many_rows"
    assert "3 inputs for 3 tasks are 9 answers" in reply.json()["error"]["message"]


@pytest.mark.parametrize(
    "value", ["a" * 21, ["a", "b" * 21], {"text": "a" * 21}, {"text": "a", "x": [["b" * 21]]}]
)
def test_a_text_that_is_too_long_is_refused(make_server, value):
    server = make_server(max_text_chars=20)
    reply = server.post("/v1/predict", {"task": "mood", "inputs": ["a" * 20, value]})
    assert reply.status_code == 413
    assert reply.json()["error"]["code"] == "text_too_long"
    assert "inputs[1] has a text of 21 characters" in reply.json()["error"]["message"]


def test_a_body_that_is_too_long_is_refused(make_server):
    server = make_server(max_body_bytes=200)
    reply = server.post("/v1/predict", {"task": "mood", "inputs": ["a" * 200]})
    assert reply.status_code == 413
    assert reply.json()["error"]["code"] == "body_too_large"


def test_a_body_of_the_longest_length_is_taken(make_server):
    raw = json.dumps(GOOD).encode()
    server = make_server(max_body_bytes=len(raw))
    assert post_raw(server, raw).status_code == 200
    assert post_raw(server, raw + b" ").status_code == 413


@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": "text/plain"},
        {"content-type": "application/x-www-form-urlencoded"},
        {"content-type": "multipart/form-data; boundary=x"},
        {"content-type": ""},
        {"content-encoding": "gzip"},
    ],
)
def test_a_body_that_is_not_sent_as_json_is_refused(server, headers):
    reply = post_raw(server, json.dumps(GOOD).encode(), **headers)
    assert reply.status_code == 415


@pytest.mark.parametrize(
    "kind", ["application/json; charset=utf-8", "APPLICATION/JSON", "application/x+json"]
)
def test_other_spellings_of_json_are_taken(server, kind):
    assert post_raw(server, json.dumps(GOOD).encode(), **{"content-type": kind}).status_code == 200


def test_a_route_that_is_not_there(server):
    for path in ("/", "/v1", "/v1/predict/", "/v1/tasks/mood/predictions", "/v3", "/%00"):
        reply = server.get(path)
        assert reply.status_code == 404
        assert reply.json()["error"]["code"] == "not_found"


def test_a_method_that_is_not_there(server):
    for method, path in (("GET", "/v1/predict"), ("DELETE", "/v1/tasks"), ("PUT", "/livez")):
        reply = server.ask(method, path)
        assert reply.status_code == 405
        assert reply.json()["error"]["code"] == "method_not_allowed"
        assert reply.headers["allow"]


def test_what_nobody_expected_is_said_without_its_reason(server, monkeypatch, caplog):
    def fail(*_, **__):
        raise RuntimeError("a secret of ours")

    monkeypatch.setattr(server.engine, "read", fail)
    reply = server.post("/v1/predict", GOOD)
    assert reply.status_code == 500
    assert reply.json()["error"]["code"] == "internal"
    assert "secret" not in reply.text
    assert "a secret of ours" in caplog.text
    assert server.store.n_held == 0
