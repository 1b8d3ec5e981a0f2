"""POST /v1/predict and POST /v1/tasks/{task}/predict: what they answer."""

import asyncio
import time
from concurrent.futures import Future

import pytest

from polyhead.errors import (
    ArtifactError,
    BrokenTaskError,
    ContractError,
    NonFiniteError,
    OverloadedError,
    UnavailableError,
)

INPUTS = {
    "mood": "what a day",
    "vectors": ["a text", "another"],
    "gaps": "a [MASK] day",
    "topics": {"text": "the law", "text_pair": "of the land"},
    "choice": ["it rains", ["take an umbrella", "go swimming"]],
    "answers": ["who came?", "nobody came."],
    "stars": "five of five",
    "places": {"tokens": ["Rome", "and", "Paris"]},
}


def as_head_takes(value):
    return tuple(value) if isinstance(value, list) else value


@pytest.mark.parametrize("task", sorted(INPUTS))
def test_each_kind_of_head_answers_as_the_library_does(server, predicted, task):
    reply = server.post("/v1/predict", {"task": task, "inputs": [INPUTS[task]]})
    assert reply.status_code == 200
    [expected] = predicted([as_head_takes(INPUTS[task])], task)
    [row] = reply.json()["results"]
    assert row["errors"] == {}
    assert nearly(row["answers"][task], expected)


def nearly(found, expected):
    """Whether two JSON values are equal but for the last digits of their numbers."""
    if isinstance(expected, dict):
        return found.keys() == expected.keys() and all(
            nearly(found[key], expected[key]) for key in expected
        )
    if isinstance(expected, list):
        return len(found) == len(expected) and all(map(nearly, found, expected))
    if isinstance(expected, float):
        return found == pytest.approx(expected, abs=1e-4)
    return found == expected


def test_several_tasks_answer_each_input_in_order(server, predicted):
    inputs = ["one", "two words", "and three more"]
    reply = server.post("/v1/predict", {"tasks": ["stars", "mood"], "inputs": inputs}).json()
    assert [list(row["answers"]) for row in reply["results"]] == [["stars", "mood"]] * 3
    labels = [row["answers"]["mood"]["label"] for row in reply["results"]]
    assert labels == [answer["label"] for answer in predicted(inputs, "mood")]
    assert reply["tasks"] == {
        name: {"version": server.store.describe(name).version} for name in ("stars", "mood")
    }
    assert reply["usage"]["n_tokens"] > 0


def test_a_task_in_the_path_is_asked_alone(server):
    reply = server.post("/v1/tasks/mood/predict", {"inputs": ["a", "b"]})
    assert reply.status_code == 200
    assert [list(row["answers"]) for row in reply.json()["results"]] == [["mood"], ["mood"]]


def test_a_task_named_twice_answers_once(server):
    reply = server.post("/v1/predict", {"tasks": ["mood", "mood"], "inputs": ["a"]}).json()
    assert list(reply["results"][0]["answers"]) == ["mood"]


def test_an_input_that_cannot_be_used_fails_alone(server):
    inputs = ["fine", "  ", {"txt": "?"}, ["a", "b", "c", "d"], "also fine"]
    reply = server.post("/v1/predict", {"task": "mood", "inputs": inputs})
    assert reply.status_code == 200
    rows = reply.json()["results"]
    assert [bool(row["answers"]) for row in rows] == [True, False, False, False, True]
    assert {row["errors"]["mood"]["code"] for row in rows[1:4]} == {"invalid_input"}
    assert "unknown field 'txt'" in rows[2]["errors"]["mood"]["message"]


def test_where_no_input_can_be_used_the_status_says_so(server):
    reply = server.post("/v1/predict", {"task": "mood", "inputs": ["", " "]})
    assert reply.status_code == 422
    assert [row["errors"]["mood"]["code"] for row in reply.json()["results"]] == [
        "invalid_input",
        "invalid_input",
    ]


def test_a_damaged_task_does_not_harm_the_others(server):
    reply = server.post("/v1/predict", {"tasks": ["damaged", "mood"], "inputs": ["a"]})
    assert reply.status_code == 200
    [row] = reply.json()["results"]
    assert row["errors"]["damaged"]["code"] == "damaged_task"
    assert list(row["answers"]) == ["mood"]
    assert list(reply.json()["tasks"]) == ["mood"]


def test_a_damaged_task_alone_is_unavailable(server):
    reply = server.post("/v1/predict", {"task": "damaged", "inputs": ["a"]})
    assert reply.status_code == 503
    assert int(reply.headers["retry-after"]) >= 1
    assert reply.json()["results"][0]["errors"]["damaged"]["code"] == "damaged_task"


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (BrokenTaskError("it keeps failing.", retry_after_s=7.2), 503, "task_broken"),
        (NonFiniteError("it is NaN."), 500, "non_finite"),
        (ContractError("it has the wrong shape."), 500, "head_failed"),
        (UnavailableError("it died."), 503, "unavailable"),
        (ArtifactError("it is torn."), 503, "damaged_task"),
    ],
)
def test_errors_of_rows_have_their_codes(server, monkeypatch, error, status, code):
    def fail(reading, **_):
        for example in reading.examples:
            reading.request.settle(example.asked.served, example.place, error)
        return reading.request

    monkeypatch.setattr(server.engine, "enqueue", fail)
    reply = server.post("/v1/predict", {"task": "mood", "inputs": ["a"]})
    assert reply.status_code == status
    assert reply.json()["results"][0]["errors"]["mood"]["code"] == code
    if code == "task_broken":
        assert reply.headers["retry-after"] == "8"
        assert reply.json()["results"][0]["errors"]["mood"]["retry_after_s"] == 7.2


def test_an_engine_that_lets_the_time_pass_is_not_waited_for(server, monkeypatch):
    monkeypatch.setattr("polyhead.serve.http.asking._GRACE_S", 0.0)
    monkeypatch.setattr(server.engine, "enqueue", lambda reading, **_: reading.request)
    body = {"task": "mood", "inputs": ["a"], "options": {"timeout_s": 0.01}}
    reply = server.post("/v1/predict", body)
    assert reply.status_code == 504
    assert reply.json()["error"]["code"] == "expired"
    assert server.store.n_held == 0


def test_what_comes_too_late_has_expired(make_server, monkeypatch):
    server = make_server()
    is_time = []
    backlog = server.engine._backlog
    monkeypatch.setattr(backlog, "_has_waiting", lambda: bool(is_time))
    real = server.engine.enqueue

    def enqueue_and_wait(reading, **options):
        request = real(reading, **options)
        is_time.append(True)
        with backlog._changed:
            backlog._clock = lambda: time.monotonic() + 100
            backlog._changed.notify_all()
        return request

    monkeypatch.setattr(server.engine, "enqueue", enqueue_and_wait)
    body = {"task": "mood", "inputs": ["a", "b"], "options": {"timeout_s": 5}}
    reply = server.post("/v1/predict", body)
    assert reply.status_code == 504
    assert [row["errors"]["mood"]["code"] for row in reply.json()["results"]] == ["expired"] * 2


def test_options_reach_the_engine(server, monkeypatch):
    seen = {}
    real_read, real_enqueue = server.engine.read, server.engine.enqueue

    def read(values, **options):
        seen.update(options)
        return real_read(values, **options)

    def enqueue(reading, **options):
        seen.update(options)
        return real_enqueue(reading, **options)

    monkeypatch.setattr(server.engine, "read", read)
    monkeypatch.setattr(server.engine, "enqueue", enqueue)
    options = {"priority": "bulk", "timeout_s": 9, "private": True}
    server.post("/v1/predict", {"task": "mood", "inputs": ["a"], "options": options})
    assert seen["priority"] == "bulk"
    assert seen["private"] is True
    assert 8 < seen["timeout_s"] <= 9


def test_a_task_that_is_still_loading_is_waited_for(server, runner):
    loading = server.store.slow["mood"] = Future()

    async def ask_and_load():
        asking = asyncio.ensure_future(
            server.client_asks("POST", "/v1/predict", json={"task": "mood", "inputs": ["a"]})
        )
        await asyncio.sleep(0)
        del server.store.slow["mood"]
        loading.set_result(server.store.acquire("mood").result())
        return await asking

    reply = runner.run(ask_and_load())
    assert reply.status_code == 200
    assert server.store.n_held == 0


def test_a_task_that_takes_too_long_to_load_has_expired(server):
    loading = server.store.slow["mood"] = Future()
    body = {"task": "mood", "inputs": ["a"], "options": {"timeout_s": 0.01}}
    reply = server.post("/v1/predict", body)
    assert reply.status_code == 504
    assert "not loaded" in reply.json()["results"][0]["errors"]["mood"]["message"]
    del server.store.slow["mood"]
    loading.set_result(server.store.acquire("mood").result())
    assert server.store.n_held == 0  # the lease that came too late was given back


def test_an_unknown_task_is_said_before_another_is_loaded(server):
    server.store.slow["stars"] = Future()  # never done
    reply = server.post("/v1/predict", {"tasks": ["stars", "nobody"], "inputs": ["a"]})
    assert reply.status_code == 404


def test_leases_are_given_back(server):
    for body in (
        {"task": "mood", "inputs": ["a"]},
        {"task": "mood", "inputs": [""]},
        {"tasks": ["mood", "nobody"], "inputs": ["a"]},
        {"tasks": ["mood", "damaged"], "inputs": ["a"]},
    ):
        server.post("/v1/predict", body)
        assert server.store.n_held == 0


def test_many_requests_at_once_get_their_own_answers(server, predicted):
    texts = [f"text number {number}" for number in range(40)]
    replies = server.together(
        *(("/v1/predict", {"task": "stars", "inputs": [text]}) for text in texts)
    )
    found = [reply.json()["results"][0]["answers"]["stars"]["score"] for reply in replies]
    assert found == pytest.approx([each["score"] for each in predicted(texts, "stars")], abs=1e-4)


def test_texts_of_any_characters_are_answered(server):
    texts = ["nul \x00 inside", "NaN and Infinity", "日本語 🙂", "\u202e rtl", "line\nbreak\ttab"]
    reply = server.post("/v1/predict", {"task": "mood", "inputs": texts})
    assert reply.status_code == 200
    assert all(row["answers"] or row["errors"] for row in reply.json()["results"])


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (OverloadedError("too much waits.", retry_after_s=2.3), 429),
        (UnavailableError("it is stopping.", retry_after_s=1), 503),
    ],
)
def test_a_queue_that_is_full_after_reading_refuses_the_whole(server, monkeypatch, error, status):
    def refuse(reading, **_):
        raise error

    monkeypatch.setattr(server.engine, "enqueue", refuse)
    reply = server.post("/v1/predict", {"task": "mood", "inputs": ["a"]})
    assert reply.status_code == status
    assert reply.json()["error"]["message"] == str(error)
    assert int(reply.headers["retry-after"]) >= error.retry_after_s
    assert server.store.n_held == 0
