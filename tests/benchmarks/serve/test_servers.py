"""Processes that listen: started, asked, and ended with all that they started."""

import os
import sys
from pathlib import Path

import pytest

from benchmarks.serve import processes, servers
from benchmarks.serve.servers import Recipe, Server, ServerError

FOLDER = Path(__file__).parents[3] / "benchmarks" / "serve"
FAKE = Recipe("fake", [sys.executable, "-P", str(FOLDER / "fake_server.py"), "--port", "{port}"])


@pytest.fixture(scope="module")
def server():
    with Server(FAKE) as started:
        yield started


def test_a_server_is_there_when_it_is_ready(server):
    assert server.call("GET", "/readyz") == (200, {"label": "label0"})
    assert server.ready_s > 0


def test_a_server_is_a_process_with_memory_and_time(server):
    assert processes.family(server.pid) == [server.pid]
    assert processes.resident_bytes(server.pid) > 1_000_000
    assert processes.cpu_s(server.pid) > 0


def test_a_server_that_is_ended_is_gone():
    with Server(FAKE) as started:
        started.check_alive()
    with pytest.raises(ProcessLookupError):
        os.kill(started.pid, 0)


def test_a_server_that_ends_early_says_its_last_words():
    script = "import sys; sys.exit('no such model')"
    with pytest.raises(ServerError, match="toy ended with 1: no such model"):
        Server(Recipe("toy", [sys.executable, "-c", script]))


def test_a_server_that_is_never_ready_is_given_up(monkeypatch):
    monkeypatch.setattr(servers, "START_S", 0.0)
    with pytest.raises(ServerError, match="toy was not ready after 0 s: it said nothing"):
        Server(Recipe("toy", [sys.executable, "-c", "input()" and "while True: pass"]))


def test_memory_is_looked_at_until_the_end():
    with processes.MemoryWatch(os.getpid(), every_s=1000) as watch:
        pass
    assert watch.most == watch.samples[0][1] > 0


def test_what_a_process_started_belongs_to_it():
    script = (
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'input()'], stdin=subprocess.PIPE)\n"
        "from pathlib import Path\n"
        "sys.argv = ['fake', '--port', '{port}']\n"
        f"sys.path.append({str(FOLDER.parents[1])!r})\n"
        "import asyncio\n"
        "from benchmarks.serve import fake_server\n"
        "asyncio.run(fake_server.main())\n"
    )
    with Server(Recipe("parent", [sys.executable, "-P", "-c", script])) as started:
        found = processes.family(started.pid)
    assert len(found) == 2
    assert processes.cpu_s(started.pid) == 0  # it has ended
