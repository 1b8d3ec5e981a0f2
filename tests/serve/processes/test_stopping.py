"""What becomes of a server, and of what it was asked, when it is ended in and out of order."""

import hashlib
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

import httpx
import pytest

TEXTS = ["the cat sat on the mat", "a good day", "the red dog ran", "is the blue cat bad?"]
LONG = "the cat sat on the mat and the dog ran " * 4
TASKS = ["mood", "score", "names"]
N_THREADS = 6
N_BULK = 6
DEADLINE_S = 60.0


class Load:
    """Threads that send requests until they are told to stop.

    Attributes:
        found: How often each status came, and each error where there was none.
        answers: The bodies of the requests that were answered.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.found: Counter[object] = Counter()
        self.answers: list[dict] = []
        self._is_over = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._send) for _ in range(N_THREADS)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        for thread in self._threads:
            thread.join()

    def wait_for(self, what: Callable[[Counter], bool]) -> None:
        wait_until(lambda: what(self.found))

    def _send(self) -> None:
        body = {"tasks": TASKS, "inputs": TEXTS}
        with httpx.Client(timeout=DEADLINE_S) as client:
            while not self._is_over.is_set():
                answer = None
                try:
                    reply = client.post(f"{self.url}/v1/predict", json=body)
                except httpx.TransportError as error:
                    outcome = type(error)
                else:
                    outcome = reply.status_code
                    answer = reply.json() if outcome == 200 else None
                with self._lock:
                    self.found[outcome] += 1
                    self.answers += [answer] if answer else []
                if outcome is httpx.ConnectError:
                    return  # nobody is there any more


def wait_until(is_true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not is_true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def files_in(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def folder(save_tasks, tmp_path):
    save_tasks(tmp_path / "tasks")
    return tmp_path / "tasks"


def asked(url: str) -> list:
    reply = httpx.post(f"{url}/v1/predict", json={"tasks": TASKS, "inputs": TEXTS}, timeout=30)
    assert reply.status_code == 200
    return [row["answers"] for row in reply.json()["results"]]


@contextmanager
def kept_busy(url: str) -> Iterator[list[int]]:
    """Inside, many texts wait; the list has the statuses of those that were answered at the end."""
    found: list[int] = []

    def ask() -> None:
        body = {"task": "mood", "inputs": [LONG] * 1000, "options": {"priority": "bulk"}}
        with suppress(httpx.TransportError):
            reply = httpx.post(f"{url}/v1/predict", json=body, timeout=DEADLINE_S)
            found.append(reply.status_code)

    threads = [threading.Thread(target=ask) for _ in range(N_BULK)]
    for thread in threads:
        thread.start()
    wait_until(lambda: waiting(url) > 1000)
    yield found
    for thread in threads:
        thread.join()


def waiting(url: str) -> float:
    lines = httpx.get(f"{url}/metrics").text.splitlines()
    return sum(
        float(line.split()[-1]) for line in lines if line.startswith("polyhead_waiting_rows")
    )


def test_sigterm_under_load_loses_nothing_that_was_accepted(start, folder):
    patient = ("--max-wait-ms", 1000 * DEADLINE_S)  # it refuses nothing for being slow
    server = start("--tasks", folder, "--preload", "all", *patient)
    with Load(server.url) as load:
        load.wait_for(lambda found: found[200] > 50)
        assert server.end(signal.SIGTERM) == 0
    assert set(load.found) <= {
        200,
        503,
        httpx.ConnectError,
        httpx.ReadError,
        httpx.RemoteProtocolError,
    }
    # whoever was reset had sent nothing that was read: all that was answered has arrived
    logged = Counter(line["status"] for line in server.access)
    assert logged[200] == load.found[200]
    assert set(logged) <= {200, 503}
    assert all(len(answer["results"]) == len(TEXTS) for answer in load.answers)
    assert not any(row["errors"] for answer in load.answers for row in answer["results"])
    assert server.stderr.splitlines()[-2:] == [
        "Stopping: what was taken is answered, for up to 30 s. A second signal ends at once.",
        "Stopped.",
    ]


def test_while_it_drains_a_server_says_so_and_takes_nothing(start, folder):
    server = start("--tasks", folder, "--preload", "all")
    with kept_busy(server.url):
        server.process.send_signal(signal.SIGINT)
        wait_until(lambda: httpx.get(f"{server.url}/readyz").status_code == 503)
        reply = httpx.post(f"{server.url}/v1/predict", json={"task": "mood", "inputs": ["day"]})
        assert reply.status_code == 503
        assert int(reply.headers["retry-after"]) >= 1
        assert reply.headers["connection"] == "close"
        # the second signal, while many texts wait: at once
        assert server.end(signal.SIGTERM) == 128 + signal.SIGTERM


def test_what_takes_longer_than_the_drain_is_given_up_with_an_answer(start, folder):
    server = start("--tasks", folder, "--preload", "all", "--drain-s", "0")
    with kept_busy(server.url) as found:
        assert server.end() == 0
    assert len(found) == N_BULK
    assert set(found) <= {200, 503}


def test_a_killed_server_leaves_all_tasks_and_the_next_one_answers_alike(start, folder):
    saved = files_in(folder)
    server = start("--tasks", folder)
    before = asked(server.url)
    with Load(server.url) as load:
        load.wait_for(lambda found: found[200] > 20)
        assert server.end(signal.SIGKILL) == -signal.SIGKILL
    kept = files_in(folder)
    assert {name: digest for name, digest in kept.items() if not name.startswith(".")} == saved
    following = start("--tasks", folder)
    assert asked(following.url) == before
    assert following.end() == 0
    assert {name: kept[name] for name in kept} == {
        name: digest for name, digest in files_in(folder).items() if name in kept
    }


def test_an_empty_folder_is_served_and_tasks_are_found_there(start, save_tasks, backbone, tmp_path):
    folder = tmp_path / "tasks"
    folder.mkdir()
    server = start("--tasks", folder, "--backbone", backbone, "--watch", "0.1")
    assert server.told["n_tasks"] == 0
    assert f"Tasks saved in {folder} are found by themselves." in server.stderr
    save_tasks(folder)
    wait_until(lambda: len(httpx.get(f"{server.url}/v1/tasks").json()["tasks"]) == 3)
    assert len(asked(server.url)) == len(TEXTS)
    assert server.end() == 0
