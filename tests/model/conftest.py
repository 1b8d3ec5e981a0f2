"""What tests of the model share: its state to compare, checkpoints, files to damage."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from polyhead.model import DistilBertModelWithHeads

PLAIN = {
    "word_embeddings": "embeddings.word_embeddings",
    "position_embeddings": "embeddings.position_embeddings",
    "norm": "embeddings.LayerNorm",
}
IN_LAYER = {
    "attention.out": "attention.out_lin",
    "norm1": "sa_layer_norm",
    "lin1": "ffn.lin1",
    "lin2": "ffn.lin2",
    "norm2": "output_layer_norm",
}


@pytest.fixture
def state() -> Callable[[DistilBertModelWithHeads], object]:
    """All that a failing call must leave as it was."""

    def state_of(model: DistilBertModelWithHeads) -> object:
        return (
            dict(model.adapters),
            dict(model.heads),
            dict(model.tasks),
            dict(model._own_adapters),
            list(model.state_dict()),
        )

    return state_of


@pytest.fixture(scope="session")
def save_backbone(tiny_vocabulary) -> Callable[[DistilBertModelWithHeads, Path], Path]:
    """Writes a model's encoder as a checkpoint in transformers' layout."""

    def save(model: DistilBertModelWithHeads, folder: Path) -> Path:
        folder.mkdir(parents=True)
        weights = {}
        for name, weight in model.encoder.state_dict().items():
            *path, part = name.split(".")
            if path[0] != "layers":
                weights[f"{PLAIN[path[0]]}.{part}"] = weight
                continue
            layer, place = f"transformer.layer.{path[1]}", ".".join(path[2:])
            if place == "attention.qkv":
                for letter, third in zip("qkv", weight.chunk(3), strict=True):
                    weights[f"{layer}.attention.{letter}_lin.{part}"] = third.clone()
            else:
                weights[f"{layer}.{IN_LAYER[place]}.{part}"] = weight
        save_file(weights, folder / "model.safetensors")
        config = {"model_type": "distilbert", **model.encoder.config.model_dump()}
        (folder / "config.json").write_text(json.dumps(config))
        (folder / "vocab.txt").write_text("\n".join(tiny_vocabulary) + "\n")
        return folder

    return save


Change = Callable[[dict], object]


@pytest.fixture
def rewrite() -> Callable[..., None]:
    """Changes the tensors or the manifest of an adapter's or head's file.

    A change edits the dict that it is given, or returns what stands in its place.
    """

    def changed(
        path: Path, *, tensors: Change | None = None, manifest: Change | None = None
    ) -> None:
        with safe_open(path, framework="pt") as file:
            held: dict[str, Tensor] = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
            text = file.metadata()["polyhead"]
        if tensors is not None:
            tensors(held)
        if manifest is not None:
            fields = json.loads(text)
            text = json.dumps(manifest(fields) or fields)
        save_file(held, path, metadata={"polyhead": text})

    return changed
