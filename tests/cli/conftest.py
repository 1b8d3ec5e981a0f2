"""A tiny backbone on disk, data files to learn from, and the command line in this process."""

import json
import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from typer.testing import CliRunner, Result

from polyhead.cli.app import app
from polyhead.model import DistilBertModelWithHeads
from polyhead.registry import registry
from polyhead.tokenizer import TextSettings

WIDTH, LAYERS, POSITIONS = 32, 2, 48
PLACES = ("mat", "cat", "dog", "day", "red", "blue")
EXAMPLES = {
    "classification": {"text": "the cat", "label": "good"},
    "embedding": {"text": "the cat", "text_pair": "a cat"},
    "masked_lm": {"text": "the cat"},
    "multilabel": {"text": "the cat", "text_pair": "a cat", "labels": ["good", "red"]},
    "multiple_choice": {"text": "the", "choices": ["cat", "dog"], "label": 1},
    "question_answering": {"question": "who ran?", "context": "the dog ran.", "answers": []},
    "regression": {"text": "the cat", "label": 2.5},
    "tagging": {"tokens": ["the", "cat"], "tags": ["O", "B-x"]},
}
LABELS = {
    "classification": ("good", "bad"),
    "multilabel": ("good", "red"),
    "tagging": ("O", "B-x", "I-x"),
}


def checkpoint(
    folder: Path, vocabulary: Iterable[str], *, layers: int = LAYERS, seed: int = 0
) -> Path:
    """A DistilBERT checkpoint of random weights, as the hub lays it out."""
    folder.mkdir(parents=True)
    words = list(vocabulary)
    generator = torch.Generator().manual_seed(seed)

    def linear(name: str, n_out: int, n_in: int) -> dict[str, torch.Tensor]:
        return {
            f"{name}.weight": torch.randn(n_out, n_in, generator=generator) * 0.2,
            f"{name}.bias": torch.zeros(n_out),
        }

    def norm(name: str) -> dict[str, torch.Tensor]:
        return {f"{name}.weight": torch.ones(WIDTH), f"{name}.bias": torch.zeros(WIDTH)}

    weights = {
        "embeddings.word_embeddings.weight": torch.randn(len(words), WIDTH, generator=generator),
        "embeddings.position_embeddings.weight": torch.randn(POSITIONS, WIDTH, generator=generator),
        **norm("embeddings.LayerNorm"),
    }
    for number in range(layers):
        layer = f"transformer.layer.{number}"
        for name in ("q_lin", "k_lin", "v_lin", "out_lin"):
            weights.update(linear(f"{layer}.attention.{name}", WIDTH, WIDTH))
        weights.update(norm(f"{layer}.sa_layer_norm"))
        weights.update(linear(f"{layer}.ffn.lin1", 48, WIDTH))
        weights.update(linear(f"{layer}.ffn.lin2", WIDTH, 48))
        weights.update(norm(f"{layer}.output_layer_norm"))
    config = {
        "model_type": "distilbert",
        "vocab_size": len(words),
        "max_position_embeddings": POSITIONS,
        "dim": WIDTH,
        "n_heads": 4,
        "n_layers": layers,
        "hidden_dim": 48,
    }
    save_file(weights, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (folder / "vocab.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def backbone(tiny_vocabulary, tmp_path_factory) -> Path:
    return checkpoint(tmp_path_factory.mktemp("backbones") / "tiny", tiny_vocabulary)


@pytest.fixture(scope="session")
def other_backbone(tiny_vocabulary, tmp_path_factory) -> Path:
    """Of the same shape, with other weights."""
    return checkpoint(tmp_path_factory.mktemp("backbones") / "other", tiny_vocabulary, seed=1)


@pytest.fixture(scope="session")
def deep_backbone(tiny_vocabulary, tmp_path_factory) -> Path:
    return checkpoint(tmp_path_factory.mktemp("backbones") / "deep", tiny_vocabulary, layers=3)


def write_jsonl(path: Path, records: Iterable[Mapping[str, object]]) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


def labelled(n: int) -> list[dict[str, str]]:
    """Texts whose last word is their label."""
    records = []
    for number in range(n):
        label = ("bad", "good")[number // 6 % 2]
        place, other = PLACES[number % 6], PLACES[(number + number // 12) % 6]
        records.append({"text": f"the {place} on the {other} is {label}", "label": label})
    return records


@pytest.fixture(scope="session")
def data(tmp_path_factory) -> Path:
    """A folder with train.jsonl and dev.jsonl."""
    folder = tmp_path_factory.mktemp("data")
    write_jsonl(folder / "train.jsonl", labelled(48))
    write_jsonl(folder / "dev.jsonl", labelled(12))
    return folder


@pytest.fixture(scope="session")
def run() -> Callable[..., Result]:
    """The command line in this process; what is raised that should have been reported comes up."""

    def invoke(*words: object, stdin: bytes | str | None = None) -> Result:
        arguments = [str(word) for word in words]
        return CliRunner().invoke(app, arguments, input=stdin, catch_exceptions=False)

    return invoke


@pytest.fixture(scope="session")
def refused(run) -> Callable[..., str]:
    """Runs what must be refused; returns the one sentence that says why."""

    def invoke(*words: object, stdin: bytes | str | None = None) -> str:
        result = run(*words, stdin=stdin)
        assert result.exit_code == 2, result.output
        assert result.stdout == ""
        errors = [line for line in result.stderr.splitlines() if line.startswith("Error: ")]
        assert len(errors) == 1, result.stderr
        assert result.stderr.endswith(f"{errors[0]}\n")
        assert "Traceback" not in result.stderr
        return errors[0].removeprefix("Error: ")

    return invoke


@pytest.fixture
def train_words(backbone, data, tmp_path) -> list[object]:
    """The words of a `polyhead train` that works; later options override earlier ones."""
    return [
        *(
            "train",
            "--task",
            "mood",
            "--backbone",
            backbone,
            "--output",
            tmp_path / "tasks" / "mood",
        ),
        *("--data", data / "train.jsonl", "--eval", data / "dev.jsonl"),
        *("--epochs", 2, "--lr", 0.02, "--batch-size", 8, "--max-length", 24),
    ]


@pytest.fixture(scope="session")
def saved_tasks(run, backbone, data, tmp_path_factory) -> Path:
    """A folder with two trained tasks, "mood" and "place"; not to be changed."""
    folder = tmp_path_factory.mktemp("saved")
    common = [
        *("--backbone", backbone, "--data", data / "train.jsonl", "--eval", data / "dev.jsonl"),
        *("--epochs", 4, "--lr", 0.02, "--batch-size", 8, "--max-length", 24),
    ]
    for task, adapter in (("mood", "seq_bn[reduction_factor=4]"), ("place", "none")):
        result = run(
            "train", "--task", task, "--adapter", adapter, "--output", folder / task, *common
        )
        assert result.exit_code == 0, result.output
    return folder


@pytest.fixture
def task(saved_tasks, tmp_path) -> Path:
    """A copy of a trained task, to be damaged."""
    return shutil.copytree(saved_tasks / "mood", tmp_path / "copy" / "mood")


@pytest.fixture(scope="session")
def kinds() -> dict[str, dict[str, object]]:
    """A training example of every kind of head, as a record of a data file."""
    return EXAMPLES


@pytest.fixture(scope="session")
def fresh_tasks(backbone, tmp_path_factory) -> Path:
    """A folder with an untrained task of every kind, called as the kind; not to be changed."""
    folder = tmp_path_factory.mktemp("fresh")
    model = DistilBertModelWithHeads.from_pretrained(backbone)
    for kind in EXAMPLES:
        fields = {"labels": LABELS[kind]} if kind in LABELS else {}
        config = registry().head(kind).Config(**fields)
        model.add_task(kind, head=config, adapter=None, text=TextSettings(max_length=POSITIONS))
        model.save_task(kind, folder / kind)
    return folder
