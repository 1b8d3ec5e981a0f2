"""A server under everything at once: whoever asks well gets the right answer, others an error."""

import asyncio
import json
import os
import random
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Self

import httpx
import pytest

HERE = Path(__file__).parent
N_REQUESTS = 10_000
N_AT_ONCE = 16
ADMIN_KEY = "an-admin-key"
PATIENCE_S = 120.0


def load_module(name: str):
    spec = spec_from_file_location(name, HERE / f"{name}.py")
    module = module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look themselves up there
    spec.loader.exec_module(module)
    return module


chaos_requests = load_module("chaos_requests")


@pytest.fixture(scope="module")
def plugin(tmp_path_factory) -> Path:
    """A folder with the plugin of the moody heads, as pip would have installed it."""
    folder = tmp_path_factory.mktemp("site")
    shutil.copy(HERE / "moody_plugin.py", folder)
    info = folder / "moody-0.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: moody\nVersion: 0.1\n")
    (info / "entry_points.txt").write_text("[polyhead]\nmoody = moody_plugin\n")
    return folder


@pytest.fixture(scope="module")
def material(backbone, plugin, tmp_path_factory) -> Path:
    """A folder with tasks, the versions of those that change, and the answers."""
    folder = tmp_path_factory.mktemp("chaos")
    subprocess.run(
        [sys.executable, HERE / "chaos_material.py", backbone, folder],
        env={**os.environ, "PYTHONPATH": str(plugin), "OMP_NUM_THREADS": "1"},
        check=True,
    )
    return folder


@pytest.fixture
def server(start, backbone, material, plugin, tmp_path):
    keys = tmp_path / "admin-keys"
    keys.write_text(f"{ADMIN_KEY}\n")
    words = ["--tasks", material / "tasks", "--backbone", backbone, "--admin-key-file", keys]
    # all that is asked shall be answered: being refused for want of room is another test's
    more = ["--max-wait-ms", 60_000, "--watch", 0.2]
    return start(*words, *more, PYTHONPATH=str(plugin))


class Meddler:
    """Replaces, swaps, damages and deletes the files of tasks while they are served."""

    def __init__(self, material: Path, url: str) -> None:
        self._tasks = material / "tasks"
        self._versions = material / "versions"
        self._url = url
        self._rng = random.Random(1)  # noqa: S311 - chaos that can be repeated
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.n_done = 0

    def __enter__(self) -> Self:
        for name in ("changing", "victim"):
            self.publish(name, "a")
        self._refresh()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join(PATIENCE_S)

    def publish(self, name: str, version: str) -> None:
        """Puts a version in the place of another, as a careful publisher does: by renaming."""
        new = self._tasks / f".{name}.new"
        old = self._tasks / f".{name}.old"
        shutil.copytree(self._versions / f"{name}-{version}", new)
        if (self._tasks / name).exists():
            (self._tasks / name).rename(old)
        new.rename(self._tasks / name)
        shutil.rmtree(old, ignore_errors=True)

    def _run(self) -> None:
        while not self._is_over.wait(0.05):
            self._meddle()
            self.n_done += 1

    def _meddle(self) -> None:
        match self._rng.randrange(6):
            case 0:
                self.publish("changing", self._rng.choice("ab"))
            case 1:
                self.publish("victim", self._rng.choice("ab"))
            case 2:  # cut off in the middle, where it lies
                path = self._tasks / "victim" / "adapter.safetensors"
                if path.exists():
                    os.truncate(path, path.stat().st_size // 2)
            case 3:  # the head of another version
                if (self._tasks / "victim").exists():
                    other = self._versions / f"victim-{self._rng.choice('ab')}" / "head.safetensors"
                    shutil.copy(other, self._tasks / "victim" / "head.safetensors")
            case 4:
                shutil.rmtree(self._tasks / "victim", ignore_errors=True)
            case 5:
                action = self._rng.choice(["unload", "load", "rollback", "pin", "unpin"])
                self._admin(f"tasks/{self._rng.choice(['changing', 'victim', 'score'])}/{action}")
        self._refresh()

    def _refresh(self) -> None:
        self._admin("refresh")

    def _admin(self, path: str) -> None:
        headers = {"authorization": f"Bearer {ADMIN_KEY}"}
        reply = httpx.post(f"{self._url}/v1/admin/{path}", headers=headers, timeout=PATIENCE_S)
        assert reply.status_code < 500 or reply.status_code == 503, reply.text


async def torment(url: str, expected: dict, n_requests: int) -> "chaos_requests.Chaos":
    """Sends requests of all kinds, some at once."""
    limits = httpx.Limits(max_connections=N_AT_ONCE)
    async with httpx.AsyncClient(base_url=url, timeout=PATIENCE_S, limits=limits) as client:
        rng = random.Random(0)  # noqa: S311 - likewise
        chaos = chaos_requests.Chaos(httpx.URL(url), expected, rng, client)
        left = iter(range(n_requests))

        async def some() -> None:
            for _ in left:
                await chaos.one()

        await asyncio.gather(*(some() for _ in range(N_AT_ONCE)))
    return chaos


def figures(url: str) -> Iterator[tuple[str, float]]:
    for line in httpx.get(f"{url}/metrics").text.splitlines():
        if line and not line.startswith("#"):
            name, _, value = line.rpartition(" ")
            yield name, float(value)


def test_good_requests_are_answered_right_whatever_else_happens(
    server, material, record_property: Callable[[str, object], None]
):
    expected = json.loads((material / "expected.json").read_text("utf-8"))
    with Meddler(material, server.url) as meddler:
        chaos = asyncio.run(torment(server.url, expected, N_REQUESTS))
    record_property("counts", chaos.counts)
    assert not chaos.faults, (len(chaos.faults), chaos.faults[:10])
    assert sum(chaos.counts.values()) == N_REQUESTS
    assert set(chaos.counts) == set(chaos_requests.KINDS)
    assert meddler.n_done > 10
    assert server.process.poll() is None
    found = dict(figures(server.url))
    assert found["polyhead_engine_restarts_total"] == 0
    assert found["polyhead_waiting_rows"] == 0
    assert httpx.get(f"{server.url}/livez").status_code == 200
    assert httpx.get(f"{server.url}/readyz").status_code == 200
    assert server.end() == 0
