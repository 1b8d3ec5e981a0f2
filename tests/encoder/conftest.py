"""Checkpoints as transformers writes them, with weights that leave no term at zero."""

import json
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

DISTILBERT = {
    "vocab_size": 40,
    "max_position_embeddings": 24,
    "dim": 32,
    "n_heads": 4,
    "hidden_dim": 48,
    "n_layers": 2,
}
BERT = {
    "vocab_size": 40,
    "max_position_embeddings": 24,
    "hidden_size": 32,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
}


@pytest.fixture
def at_once() -> Callable[[Callable[[], object]], list[object]]:
    """Calls something from eight threads that start together, five times each."""

    def called(call: Callable[[], object]) -> list[object]:
        start, found = threading.Barrier(8), []

        def run() -> None:
            start.wait()
            found.extend(call() for _ in range(5))

        threads = [threading.Thread(target=run) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return found

    return called


@pytest.fixture(scope="session")
def transformers():
    module = pytest.importorskip("transformers")
    module.utils.logging.disable_progress_bar()
    return module


def save(model: nn.Module, folder: Path) -> nn.Module:
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            weight.normal_(1 if "LayerNorm.weight" in name else 0, 0.1, generator=generator)
    model.save_pretrained(folder)
    return model.eval()


@pytest.fixture
def save_distilbert(transformers, tmp_path) -> Callable[..., tuple[nn.Module, Path]]:
    """Writes a DistilBERT to a folder; returns transformers' model of it, and the folder."""

    def make(**fields: object) -> tuple[nn.Module, Path]:
        config = transformers.DistilBertConfig(**{**DISTILBERT, **fields})
        folder = tmp_path / "distilbert"
        return save(transformers.DistilBertModel(config), folder), folder

    return make


@pytest.fixture
def save_bert(transformers, tmp_path) -> Callable[..., tuple[nn.Module, Path]]:
    """Writes a BERT to a folder; returns transformers' model of it, and the folder."""

    def make(**fields: object) -> tuple[nn.Module, Path]:
        config = transformers.BertConfig(**{**BERT, **fields})
        folder = tmp_path / "bert"
        return save(transformers.BertModel(config), folder), folder

    return make


@pytest.fixture
def rewrite() -> Callable[..., Path]:
    """Changes a checkpoint's weights: a dict in, a dict out."""

    def changed(folder: Path, change: Callable[[dict[str, Tensor]], dict[str, Tensor]]) -> Path:
        weights = {name: weight.clone() for name, weight in load_file(folder / FILE).items()}
        save_file(change(weights), folder / FILE)
        return folder

    return changed


@pytest.fixture
def reconfigure() -> Callable[..., Path]:
    """Changes fields of a checkpoint's config.json."""

    def changed(folder: Path, **fields: object) -> Path:
        path = folder / "config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))
        return folder

    return changed


FILE = "model.safetensors"
