"""A server on a tiny model with a task of each kind of head, asked without a socket."""

import asyncio
import json
import socket
import threading
import time
from contextlib import contextmanager

import httpx
import pytest
import torch
import uvicorn

from polyhead.heads import (
    ClassificationHeadConfig,
    EmbeddingHeadConfig,
    MaskedLMHeadConfig,
    MultilabelHeadConfig,
    MultipleChoiceHeadConfig,
    QuestionAnsweringHeadConfig,
    RegressionHeadConfig,
    TaggingHeadConfig,
)
from polyhead.serve import Engine
from polyhead.serve.http import ServerSettings, create_app
from polyhead.serve.store import StoreSettings, TaskStore
from polyhead.testing import tiny_model

HEADS = {
    "mood": ClassificationHeadConfig(labels=("bad", "good")),
    "vectors": EmbeddingHeadConfig(),
    "gaps": MaskedLMHeadConfig(),
    "topics": MultilabelHeadConfig(labels=("art", "law", "sport")),
    "choice": MultipleChoiceHeadConfig(),
    "answers": QuestionAnsweringHeadConfig(),
    "stars": RegressionHeadConfig(),
    "places": TaggingHeadConfig(labels=("O", "B-PLACE", "I-PLACE")),
}


class WatchedStore(TaskStore):
    """A store that tells what it was asked, and whose loads can be held up.

    Attributes:
        calls: What was to be changed.
        slow: By name what `acquire` returns in place of the lease.
    """

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.calls = []
        self.slow = {}

    @property
    def n_held(self):
        """How many leases were not given back."""
        return self.statistics().n_leases

    def acquire(self, name, version=None):
        return self.slow.get(name) or super().acquire(name, version)

    def load(self, name):
        self.calls.append(("load", name))
        return super().load(name)

    def unload(self, name):
        self.calls.append(("unload", name))
        return super().unload(name)

    def pin(self, name, pinned=True):
        self.calls.append(("pin" if pinned else "unpin", name))
        return super().pin(name, pinned)

    def rollback(self, name, version=None):
        self.calls.append(("rollback", name, version))
        return super().rollback(name, version)

    def refresh(self):
        self.calls.append(("refresh",))
        super().refresh()


@pytest.fixture(scope="session")
def offline():
    """What the server is compared with: the library itself with the same tasks."""
    made = tiny_model()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        for name, config in HEADS.items():
            made.add_task(name, head=config, adapter="seq_bn")
    return made


@pytest.fixture(scope="session")
def saved(offline, tmp_path_factory):
    """The folder of these tasks, and of one that is cut off."""
    folder = tmp_path_factory.mktemp("tasks")
    for name in HEADS:
        offline.save_task(name, folder / name)
    offline.save_task("mood", folder / "damaged")
    weights = folder / "damaged" / "adapter.safetensors"
    weights.write_bytes(weights.read_bytes()[:-10])
    return folder


@pytest.fixture(scope="module")
def model():
    return tiny_model()


@pytest.fixture(scope="module")
def store(model, saved):
    """One for all tests of a module: what was loaded stays."""
    with WatchedStore(model, saved, StoreSettings(archive=False)) as made:
        yield made


@pytest.fixture(autouse=True)
def forget_calls(store):
    store.calls.clear()
    store.slow.clear()


@pytest.fixture(scope="module")
def version(store):
    """Of the task mood."""
    return store.describe("mood").version


class Server:
    """An application, and calls of it that take no socket.

    Attributes:
        engine: A real one, started.
        store: A real one that tells what it was asked.
        app: What `create_app` made of them.
    """

    def __init__(self, engine, store, settings, runner):
        self.engine = engine
        self.store = store
        self.app = create_app(engine, store, settings)
        self._run = runner.run

    def get(self, path, **options):
        return self.ask("GET", path, **options)

    def post(self, path, body=None, **options):
        return self.ask("POST", path, **({} if body is None else {"json": body}), **options)

    def ask(self, method, path, **options):
        return self._run(self.client_asks(method, path, **options))

    async def client_asks(self, method, path, **options):
        transport = httpx.ASGITransport(self.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.request(method, path, **options)

    def together(self, *asked):
        """Several requests at once: pairs of a path and a body for POST."""

        async def ask_all():
            calls = (self.client_asks("POST", path, json=body) for path, body in asked)
            return await asyncio.gather(*calls)

        return self._run(ask_all())


@pytest.fixture(scope="module")
def runner():
    with asyncio.Runner() as made:
        yield made


@contextmanager
def servers(model, store, runner):
    """Makes servers, and stops their engines at the end."""
    engines = []

    def make(*, is_started=True, **settings):
        engine = Engine(model)
        engines.append(engine)
        server = Server(engine, store, ServerSettings.of(**settings), runner)
        if is_started:
            start(engine)
        return server

    yield make
    for engine in engines:
        engine.close(drain_s=1)


def start(engine):
    """Starts an engine and waits until it runs."""
    engine.start()
    while not engine.is_ready:
        time.sleep(0.001)


@pytest.fixture(scope="module")
def server(model, store, runner):
    """One for all tests of a module."""
    with servers(model, store, runner) as make:
        yield make()


@pytest.fixture
def make_server(model, store, runner):
    """Makes a server of a test's own; settings by name."""
    with servers(model, store, runner) as make:
        yield make


@pytest.fixture
def predicted(offline):
    """What the library itself answers, as JSON."""

    def predict(inputs, task):
        answers = offline.predict(inputs, task=task, private=True)
        return [json.loads(answer.model_dump_json()) for answer in answers]

    return predict


@pytest.fixture
def live(server):
    """The server behind a socket on loopback: its port."""
    settings = uvicorn.Config(server.app, log_level="warning", access_log=False, lifespan="off")
    running = uvicorn.Server(settings)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=running.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        yield listening.getsockname()[1]
        running.should_exit = True
        thread.join(10)
