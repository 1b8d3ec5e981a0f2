"""Both clients: the same questions, the same answers, the same refusals."""

import inspect
import itertools
import pickle

import httpx
import pytest

import polyhead
from polyhead.client import AsyncClient, Client
from polyhead.errors import (
    ConfigError,
    InputError,
    InvalidNameError,
    MissingExtraError,
    ServerError,
)

URL = "http://models.example.org"


def refusal(status: int, code: str, **more: object) -> httpx.Response:
    return httpx.Response(
        status, json={"error": {"code": code, "message": f"this is {code}.", **more}}
    )


def test_one_task_gives_one_answer_an_input(client):
    assert client.predict(["a", "bcd"], task="length") == [
        {"task": "length", "length": 1},
        {"task": "length", "length": 3},
    ]


def test_several_tasks_give_a_mapping_an_input(client):
    [found] = client.predict("ab", task=["length", "size", "length"])
    assert found == {
        "length": {"task": "length", "length": 2},
        "size": {"task": "size", "length": 2},
    }


def test_a_list_of_one_task_is_answered_as_several_are(client):
    assert client.predict("ab", ["length"]) == [{"length": {"task": "length", "length": 2}}]


def test_pairs_mappings_and_examples_are_single_inputs(client, server):
    example = polyhead.heads.ClassificationHead.Example(text="a", text_pair="b")
    for value in (("a", "b"), {"text": "a", "text_pair": "b"}, example):
        assert len(client.predict(value, "length")) == 1
    sent = [body["inputs"] for body in server.bodies]
    assert sent == [
        [["a", "b"]],
        [{"text": "a", "text_pair": "b"}],
        [{"text": "a", "text_pair": "b"}],
    ]


def test_nothing_is_asked_of_no_input(client, server):
    assert client.predict([], "length") == []
    assert client.predict(iter(()), ["length"]) == []
    assert server.requests == []


def test_long_lists_are_several_requests_and_come_back_in_order(client, server):
    texts = ["x" * (number % 7 + 1) for number in range(1000)]
    found = client.predict((text for text in texts), "length")
    assert [answer["length"] for answer in found] == [len(text) for text in texts]
    assert [len(body["inputs"]) for body in server.bodies] == [256, 256, 256, 232]


def test_many_tasks_make_fewer_inputs_a_request(client, server):
    client.predict(["x"] * 30, [f"t{number}" for number in range(100)])
    assert [len(body["inputs"]) for body in server.bodies] == [10, 10, 10]


def test_long_texts_make_fewer_inputs_a_request(client, server):
    client.predict(["x" * 400_000] * 3 + ["y" * 1_500_000, "z"], "length")
    assert [len(body["inputs"]) for body in server.bodies] == [2, 1, 1, 1]


def test_inputs_are_read_as_they_are_sent(client, server):
    def endless():
        for number in itertools.count():
            if number == 600:
                raise KeyError("no more")
            yield "x"

    with pytest.raises(KeyError):
        client.predict(endless(), "length")
    assert len(server.requests) == 2


def test_requests_that_are_too_large_for_the_server_are_halved(client, server):
    server.most = 100
    texts = ["x" * (number % 7 + 1) for number in range(300)]
    found = client.predict(texts, "length")
    assert [answer["length"] for answer in found] == [len(text) for text in texts]
    answered = [len(body["inputs"]) for body in server.bodies if len(body["inputs"]) <= 100]
    assert sum(answered) == 300


def test_an_input_that_is_too_large_alone_has_its_place(client, server):
    server.longest = 10
    found = client.predict(["fine", "x" * 11, "fine"], "length", on_error="return")
    assert [type(answer) for answer in found] == [dict, ServerError, dict]
    assert (found[1].code, found[1].index, found[1].status) == ("text_too_long", 1, 413)
    with pytest.raises(ServerError, match=r"^input 2, task 'length': "):
        client.predict(["fine", "x" * 11], "length")


def test_options_are_sent(client, server):
    client.predict("x", "length", priority="bulk", timeout_s=2, private=True)
    client.predict("x", "length")
    client.predict("x", "length", timeout_s=7200)
    assert [body["options"] for body in server.bodies] == [
        {"priority": "bulk", "timeout_s": 2.0, "private": True},
        {"priority": "interactive", "timeout_s": 30.0, "private": False},
        {"priority": "interactive", "timeout_s": 3600.0, "private": False},
    ]


def test_the_first_bad_input_is_raised_with_its_place(client):
    texts = ["fine"] * 300 + ["bad", "bad"]
    with pytest.raises(ServerError, match=r"^input 301, task 'length': it is bad\.$") as raised:
        client.predict(texts, "length")
    error = raised.value
    assert (error.code, error.index, error.task) == ("invalid_input", 300, "length")
    assert error.reason == "it is bad."


def test_bad_inputs_are_returned_in_their_places_on_request(client):
    found = client.predict(["bad", "fine"], ["length", "size"], on_error="return")
    assert {task: error.code for task, error in found[0].items()} == {
        "length": "invalid_input",
        "size": "invalid_input",
    }
    assert found[1]["size"] == {"task": "size", "length": 4}
    [error] = client.predict("bad", "length", on_error="return")
    assert isinstance(error, ServerError)


def test_rows_are_read_where_none_was_answered(client, server):
    rows = [{"errors": {"length": {"code": "non_finite", "message": "no number."}}}]
    server.first = [httpx.Response(500, json={"results": rows})]
    [error] = client.predict("x", "length", on_error="return")
    assert (error.code, error.index) == ("non_finite", 0)


@pytest.mark.parametrize(
    ("status", "code"),
    [(401, "no_key"), (404, "unknown_task"), (422, "invalid_request")],
)
def test_what_the_caller_must_change_is_raised_at_once(status, code, client, server):
    server.first = [refusal(status, code)]
    with pytest.raises(ServerError, match=f"^this is {code}.$") as raised:
        client.predict("x", "length")
    assert (raised.value.status, raised.value.code) == (status, code)
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [429, 503])
def test_what_is_refused_for_now_is_asked_again_when_the_server_says(
    status, client, server, pauses
):
    server.first = [refusal(status, "later", retry_after_s=1.5)] * 2
    assert client.predict("ab", "length")[0]["length"] == 2
    assert len(server.requests) == 3
    assert all(1.5 <= seconds <= 1.5 * 1.25 for seconds in pauses)
    assert len(pauses) == 2


def test_retries_come_to_an_end(make_client, server, pauses):
    server.first = [refusal(429, "overloaded", retry_after_s=2)] * 9
    with pytest.raises(ServerError, match="overloaded") as raised:
        make_client(retries=2).predict("x", "length")
    assert len(server.requests) == 3
    assert (raised.value.status, raised.value.retry_after_s) == (429, 2)


def test_a_connection_that_fails_is_tried_again(client, server, pauses):
    server.first = [httpx.ConnectError("Connection refused"), httpx.ReadError("reset by peer")]
    assert client.predict("ab", "length")[0]["length"] == 2
    assert len(pauses) == 2


def test_a_server_that_is_not_there_is_told_in_a_sentence(client, server, pauses):
    server.first = [httpx.ConnectError("[Errno 111] Connection refused")] * 4
    with pytest.raises(ServerError, match=r"cannot be reached .*Connection refused") as raised:
        client.predict("x", "length")
    assert (raised.value.code, raised.value.status) == ("unreachable", None)


def test_time_that_is_over_is_not_tried_again(client, server, pauses):
    server.first = [httpx.ReadTimeout("timed out")]
    with pytest.raises(ServerError, match="did not answer in time") as raised:
        client.predict("x", "length")
    assert raised.value.code == "timeout"
    assert (len(server.requests), pauses) == (1, [])


@pytest.mark.parametrize(
    "reply",
    [
        {"text": "<html>welcome</html>"},
        {"json": [1, 2]},
        {"json": {"results": []}},
        {"json": {"results": [{"answers": {}}]}},
        {"json": {"results": ["x"]}},
        {"json": {"results": [{"answers": [], "errors": 7}]}},
        {"text": "[" * 100_000},
    ],
)
def test_answers_of_other_servers_are_refused(reply, client, server):
    server.first = [httpx.Response(200, **reply)]
    with pytest.raises(ServerError, match="not that of a polyhead server") as raised:
        client.predict("x", "length")
    assert raised.value.code == "bad_response"


@pytest.mark.parametrize("status", [302, 404, 502, 599])
def test_refusals_of_proxies_have_their_status(status, client, server):
    server.first = [httpx.Response(status, text="<html>", headers={"location": "http://other"})]
    with pytest.raises(ServerError, match=f"answered {status}") as raised:
        client.predict("x", "length")
    assert (raised.value.status, raised.value.code) == (status, f"http_{status}")


def test_keys_are_sent_where_they_belong_and_shown_nowhere(make_client, server):
    client = make_client(api_key="open-sesame", admin_key="shibboleth")
    client.predict("x", "length")
    client.tasks()
    client.is_ready()
    client.load("length")
    sent = [headers.get("authorization") for _, _, headers, _ in server.requests]
    assert sent == ["Bearer open-sesame", "Bearer open-sesame", None, "Bearer shibboleth"]
    shown = repr(client.client) if hasattr(client, "client") else repr(client)
    assert shown.endswith(f"Client: {URL}>")


def test_tasks_and_a_task_are_described(client, server):
    assert client.tasks() == [{"name": "length"}]
    assert client.task("length")["path"] == "/v1/tasks/length"


@pytest.mark.parametrize("name", ["../admin", "a/b", "", "a b", "a?x=1"])
def test_names_that_are_none_never_reach_an_address(name, client, server):
    for ask in (client.task, client.load):
        with pytest.raises((InvalidNameError, ConfigError)):
            ask(name)
    assert server.requests == []


def test_readiness_is_told_without_trying_again(client, server, pauses):
    server.first = [httpx.Response(503), httpx.ConnectError("refused")]
    assert [client.is_ready() for _ in range(3)] == [False, False, True]
    assert pauses == []


def test_embeddings_are_the_vectors_alone(client, server):
    rows = [{"answers": {"near": {"embedding": [0.5, 1.0], "similarity": None}}}]
    server.first = [httpx.Response(200, json={"results": rows})]
    assert client.embed("x", "near") == [[0.5, 1.0]]
    with pytest.raises(InputError, match="'length' answers with no vector"):
        client.embed("x", "length")


def test_admin_calls_need_the_admin_key(client, server):
    with pytest.raises(ConfigError, match="give it with admin_key="):
        client.unload("length")
    assert server.requests == []


def test_a_rollback_that_may_have_happened_is_not_repeated(make_client, server, pauses):
    client = make_client(admin_key="k")
    server.first = [httpx.ReadError("reset")]
    with pytest.raises(ServerError, match="reset"):
        client.rollback("length")
    server.first = [httpx.ConnectError("refused")]
    client.rollback("length", "abc")
    assert server.bodies == [None, {"version": "abc"}, {"version": "abc"}]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (7, "not int"),
        (b"text", "not bytes"),
        (["fine", 7], "example 2: 7 is neither"),
        ([{"text": object()}], "example 1: cannot be sent as JSON"),
        ([{"text": float("nan")}], "example 1: cannot be sent as JSON"),
    ],
)
def test_what_cannot_be_asked_is_refused_before_it_is_sent(value, reason, client, server):
    with pytest.raises(InputError, match=reason):
        client.predict(value, "length")
    assert server.requests == []


@pytest.mark.parametrize("task", [7, None, [], ["a", 7], [["a"]]])
def test_what_names_no_task_is_refused(task, client):
    with pytest.raises(InputError, match="task"):
        client.predict("x", task)


@pytest.mark.parametrize(
    "options", [{"priority": "high"}, {"timeout_s": 0}, {"timeout_s": True}, {"on_error": "skip"}]
)
def test_odd_options_are_refused(options, client):
    with pytest.raises(ConfigError, match=next(iter(options))):
        client.predict("x", "length", **options)


def test_half_a_surrogate_is_sent_as_json_has_it(client, server):
    client.predict("\ud800 caf\u00e9", "length")
    assert server.bodies[0]["inputs"] == ["\ud800 caf\u00e9"]


def test_clients_stay_in_their_process(make_client):
    client = make_client(api_key="secret")
    with pytest.raises(TypeError, match="make one in each process"):
        pickle.dumps(getattr(client, "client", client))


def test_errors_survive_the_way_between_processes():
    error = ServerError("no.", code="later", status=503, retry_after_s=2, index=1, task="a")
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
    assert (str(copy), vars(copy)) == (str(error), vars(error))


def test_without_httpx_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "httpx", None)
    monkeypatch.delitem(__import__("sys").modules, "polyhead.client.wire", raising=False)
    monkeypatch.delattr("polyhead.client.wire", raising=False)
    with pytest.raises(MissingExtraError, match=r"'polyhead\[client\]'"):
        Client(URL)


def test_both_clients_have_the_same_methods():
    def methods(owner: type) -> dict[str, list[str]]:
        return {
            name: list(inspect.signature(method).parameters)
            for name, method in inspect.getmembers(owner, inspect.isfunction)
            if not name.startswith("_") or name == "__init__"
        }

    assert methods(Client) == methods(AsyncClient)
