"""Servers as processes of their own, on a tiny checkpoint with a few tasks."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

from polyhead.client import Client
from polyhead.heads import ClassificationHeadConfig, RegressionHeadConfig, TaggingHeadConfig
from polyhead.model import DistilBertModelWithHeads

PATIENCE_S = 60.0
"""Longer than anything takes that works, on a machine with other things to do."""
HEADS = {
    "mood": ClassificationHeadConfig(labels=("bad", "good")),
    "score": RegressionHeadConfig(),
    "names": TaggingHeadConfig(labels=("O", "B-x", "I-x")),
}


class Running:
    """A `polyhead serve` that answers.

    Attributes:
        process: It.
        url: Its address.
        told: What it told on standard output when it was ready.
        folder: Where its logs are.
    """

    def __init__(self, folder: Path, *words: object, **variables: str) -> None:
        self.folder = folder
        self.access_log = folder / "access.jsonl"
        command = [sys.executable, "-m", "polyhead", "serve", "--port", "0", "--json"]
        command += ["--access-log", str(self.access_log), *map(str, words)]
        kept = {name: value for name, value in os.environ.items() if "POLYHEAD" not in name}
        with (folder / "stderr.txt").open("wb") as stderr:
            self.process = subprocess.Popen(
                command,
                stdout=subprocess.PIPE,
                stderr=stderr,
                env={**kept, "OMP_NUM_THREADS": "1", **variables},
            )
        line = self.process.stdout.readline()
        assert line, self.stderr
        self.told = json.loads(line)
        self.url = self.told["url"]

    @property
    def stderr(self) -> str:
        return (self.folder / "stderr.txt").read_text("utf-8")

    @property
    def access(self) -> list[dict]:
        return [json.loads(line) for line in self.access_log.read_text("utf-8").splitlines()]

    def client(self, **options: object) -> Client:
        return Client(self.url, **options)

    def end(self, number: int = signal.SIGTERM) -> int:
        """Sends a signal where it still runs, and waits; returns the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(PATIENCE_S)
        self.process.stdout.close()
        return code


@pytest.fixture(scope="session")
def backbone(tiny_vocabulary, tmp_path_factory) -> Path:
    """A tiny DistilBERT checkpoint."""
    spec = spec_from_file_location(
        "cli_conftest", Path(__file__).parents[2] / "cli" / "conftest.py"
    )
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.checkpoint(tmp_path_factory.mktemp("backbones") / "tiny", tiny_vocabulary)


@pytest.fixture(scope="session")
def save_tasks(backbone, shake) -> Callable[[Path], DistilBertModelWithHeads]:
    """Saves a task of each of `HEADS` in a folder; returns the model that has them."""

    def save(folder: Path) -> DistilBertModelWithHeads:
        model = DistilBertModelWithHeads.from_pretrained(backbone)
        for seed, (name, head) in enumerate(HEADS.items()):
            model.add_task(name, head=head)
            shake(model.heads[name], seed)
            shake(model.adapters[name], seed)
            model.save_task(name, folder / name)
        return model

    return save


@pytest.fixture(scope="session")
def start(tmp_path_factory) -> Iterator[Callable[..., Running]]:
    """Starts a server with these words; whatever still runs is ended after all tests."""
    running: list[Running] = []

    def starting(*words: object, **variables: str) -> Running:
        running.append(Running(tmp_path_factory.mktemp("server"), *words, **variables))
        return running[-1]

    yield starting
    for server in running:
        server.end(signal.SIGKILL)
