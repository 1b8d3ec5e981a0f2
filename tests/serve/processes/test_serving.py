"""A running server: its answers, its doors, what it tells; one process for all tests."""

import json
import subprocess
import sys

import httpx
import pytest
from typer.testing import CliRunner

from polyhead.cli.app import app
from polyhead.errors import ServerError
from polyhead.heads import ClassificationHeadConfig

TEXTS = ["the cat sat on the mat", "a good day", "the red dog ran", "is the blue cat bad?"] * 80
TASKS = ["mood", "score", "names"]
KEY, ADMIN_KEY = "open-sesame", "shibboleth"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("tasks")


@pytest.fixture(scope="module")
def model(save_tasks, folder):
    return save_tasks(folder)


@pytest.fixture(scope="module")
def server(start, model, folder, tmp_path_factory):
    keys = tmp_path_factory.mktemp("keys")
    (keys / "api").write_text(f"{KEY}\n", "utf-8")
    (keys / "admin").write_text(f"{ADMIN_KEY}\n", "utf-8")
    running = start(
        *("--tasks", folder, "--preload", "mood"),
        *("--api-key-file", keys / "api", "--admin-key-file", keys / "admin"),
    )
    yield running
    assert running.end() == 0


@pytest.fixture
def client(server):
    with server.client(api_key=KEY, admin_key=ADMIN_KEY) as asking:
        yield asking


@pytest.fixture
def key_file(tmp_path):
    path = tmp_path / "key"
    path.write_text(KEY, "utf-8")
    return path


def alike(found, expected):
    """Answers that are equal, numbers to rounding: they were computed in other batches."""
    if isinstance(expected, dict):
        assert list(found) == list(expected)
        for name, value in expected.items():
            alike(found[name], value)
    elif isinstance(expected, list):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            alike(one, other)
    elif isinstance(expected, float):
        assert found == pytest.approx(expected, abs=1e-5)
    else:
        assert found == expected


def test_answers_are_those_of_the_library(client, model):
    expected = [
        {task: answer.model_dump(mode="json") for task, answer in row.items()}
        for row in model.predict(TEXTS, task=TASKS)
    ]
    alike(client.predict(TEXTS, TASKS), expected)
    alike(
        client.predict(TEXTS[:3], "score", priority="bulk"), [row["score"] for row in expected[:3]]
    )


def test_a_bad_input_is_refused_alone(client):
    found = client.predict(["the cat", " ", "a dog"], ["mood", "names"], on_error="return")
    assert [type(row["mood"]) for row in found] == [dict, ServerError, dict]
    assert found[1]["names"].code == "invalid_input"


def test_the_command_line_gives_the_same_lines_with_a_server_as_without(
    server, model, folder, tmp_path, key_file
):
    path = tmp_path / "texts.jsonl"
    lines = [json.dumps({"id": number, "text": text}) for number, text in enumerate(TEXTS)]
    path.write_text("\n".join(lines), "utf-8")

    def told(*words: object) -> list:
        result = CliRunner().invoke(app, ["predict", "--input", str(path), *map(str, words)])
        assert result.exit_code == 0, result.output
        return [json.loads(line) for line in result.stdout.splitlines()]

    near = told(*(word for task in TASKS for word in ("--task", folder / task)))
    far = told(
        *("--server", server.url, "--api-key-file", key_file),
        *(word for task in TASKS for word in ("--task", task)),
    )
    assert len(near) == len(TEXTS)
    alike(far, near)


def test_tasks_are_listed_and_described(client):
    assert {task["name"] for task in client.tasks()} >= set(TASKS)
    assert client.task("mood")["labels"] == ["bad", "good"]
    with pytest.raises(ServerError, match="'moood'") as raised:
        client.task("moood")
    assert (raised.value.code, raised.value.status) == ("unknown_task", 404)


def test_wrong_keys_are_refused_and_right_ones_are_enough(server, client):
    for key in (None, "open-sesam", ADMIN_KEY[:-1]):
        with server.client(api_key=key) as stranger, pytest.raises(ServerError) as raised:
            stranger.predict("the cat", "mood")
        assert raised.value.status == 401
    with server.client(admin_key=KEY) as asking, pytest.raises(ServerError) as raised:
        asking.load("mood")
    assert raised.value.status == 403
    assert client.pin("mood")["pinned"]
    assert not client.unpin("mood")["pinned"]
    assert client.load("score")["state"] == "resident"
    assert client.unload("score")["state"] == "on_disk"
    assert set(client.refresh()) >= set(TASKS)


def test_tasks_that_are_saved_later_are_served_after_a_refresh(client, model, folder):
    model.add_task("later", head=ClassificationHeadConfig(labels=("bad", "good")))
    model.save_task("later", folder / "later")
    with pytest.raises(ServerError, match="'later'"):
        client.predict("the cat", "later")
    assert client.refresh() == sorted([*TASKS, "later"])
    [answer] = model.predict("the cat", task="later")
    alike(client.predict("the cat", "later"), [answer.model_dump(mode="json")])


def test_the_server_is_alive_ready_and_names_no_software(server):
    for path in ("/livez", "/readyz"):
        reply = httpx.get(server.url + path)
        assert reply.status_code == 200
        assert "server" not in reply.headers
    assert "polyhead" in httpx.get(server.url + "/metrics").text


def test_what_is_told_is_in_order(server):
    assert server.told == {"url": server.url, "n_tasks": 3, "pid": server.process.pid}
    line = server.stderr.splitlines()[0]
    assert line.startswith(f"Serving 3 tasks at {server.url}. Ready after ")


def test_requests_are_logged_as_json_without_their_texts(server, client):
    client.predict("the blue cat", TASKS)
    text = server.access_log.read_text("utf-8")
    last = [line for line in server.access if line["route"] == "/v1/predict"][-1]
    assert (last["status"], last["method"], last["n_rows"]) == (200, "POST", 3)
    assert last["tasks"] == TASKS
    assert "blue" not in text
    assert KEY not in text


def test_a_second_server_on_the_port_is_refused_at_once(server, folder):
    port = server.url.rpartition(":")[2]
    words = ["serve", "--tasks", str(folder), "--port", port]
    done = subprocess.run(
        [sys.executable, "-m", "polyhead", *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == (
        f"Error: port {port} of 127.0.0.1 is taken; choose another with --port, or 0 for any that "
        "is free.\n"
    )
