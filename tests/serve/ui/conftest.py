"""Tiny tasks of every kind, and a server in a process of its own that shows them."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

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
from polyhead.testing import tiny_model

HEADS = {
    "answers": QuestionAnsweringHeadConfig(),
    "likeness": EmbeddingHeadConfig(),
    "masks": MaskedLMHeadConfig(),
    "mood": ClassificationHeadConfig(labels=("bad", "good", "<b>so-so</b>")),
    "names": TaggingHeadConfig(labels=("O", "B-LOC", "B-PER")),
    "next": MultipleChoiceHeadConfig(),
    "score": RegressionHeadConfig(),
    "torn": ClassificationHeadConfig(labels=("no", "yes")),
    "topics": MultilabelHeadConfig(labels=("law", "sport", "weather")),
}
KEY = "a-key"
CARD = """
![a picture](https://example.org/picture.png)

<img src="https://example.org/other.png" onerror="alert(3)"><script>alert(4)</script>
"""
SERVER = Path(__file__).with_name("page_server.py")


@pytest.fixture(scope="session")
def offline():
    """A model with a task of every built-in kind, as the server's."""
    model = tiny_model()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        for name, head in HEADS.items():
            model.add_task(name, head=head, adapter="seq_bn")
    return model


@pytest.fixture(scope="session")
def tasks(offline, tmp_path_factory):
    """The folder of these tasks, and of one whose adapter is cut short."""
    folder = tmp_path_factory.mktemp("tasks")
    for name in HEADS:
        offline.save_task(name, folder / name)
    torn = folder / "torn" / "adapter.safetensors"
    torn.write_bytes(torn.read_bytes()[:-1000])
    with (folder / "score" / "README.md").open("a", encoding="utf-8") as card:
        card.write(CARD)
    return folder


@pytest.fixture(scope="session")
def addresses(tasks):
    """The addresses of the page of two servers: one that is open to all, and one with a key."""
    running = [
        subprocess.Popen(
            [sys.executable, str(SERVER), str(tasks), *keys],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for keys in ([], ["--key", KEY])
    ]
    ports = [process.stdout.readline().strip() for process in running]
    assert all(ports), "a server did not start"
    yield [f"http://127.0.0.1:{port}/ui" for port in ports]
    for process in running:
        process.communicate(timeout=20)
        assert process.returncode == 0
