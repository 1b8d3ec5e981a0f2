"""Write what the servers load: a random checkpoint with a tokenizer, and tasks on it.

    python -P benchmarks/serve/material.py FOLDER --tasks 100

In FOLDER it writes `model`, a DistilBERT of the usual shape with random weights, as a classifier in
the layout of transformers; `tasks`, a folder for each task: `seq_bn` and a classification head of 2
to 6 labels; and `classifiers`, whole models of one task each, for servers that know no other way.
What is there already is kept.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).resolve().parents[2]))

import torch
from safetensors.torch import save_file

import polyhead as ph
from benchmarks.serve import workload
from benchmarks.serve.names import CLASSIFIERS, MODEL, TASKS, task_name
from benchmarks.serve.names import n_labels as labels_of

SHAPES: dict[str, dict[str, int]] = {
    "distilbert": {"n_layers": 6, "n_heads": 12, "dim": 768, "hidden_dim": 3072},
    "small": {"n_layers": 3, "n_heads": 4, "dim": 128, "hidden_dim": 256},
    "tiny": {"n_layers": 2, "n_heads": 2, "dim": 32, "hidden_dim": 64},
}
MAX_TOKENS = 512
STD = 0.02
ADAPTER = "seq_bn"


def write_model(folder: Path, shape: dict[str, int], n_labels: int, seed: int = 0) -> None:
    """Write a classifier with random weights, and its tokenizer."""
    folder.mkdir(parents=True, exist_ok=True)
    labels = [f"label{number}" for number in range(n_labels)]
    config = {
        "architectures": ["DistilBertForSequenceClassification"],
        "model_type": "distilbert",
        "vocab_size": workload.VOCAB_SIZE,
        "max_position_embeddings": MAX_TOKENS,
        "id2label": dict(enumerate(labels)),
        "label2id": {label: number for number, label in enumerate(labels)},
        "pad_token_id": 0,
        **shape,
    }
    tokenizer = {
        "tokenizer_class": "DistilBertTokenizer",
        "do_lower_case": True,
        "model_max_length": MAX_TOKENS,
    }
    (folder / "config.json").write_text(json.dumps(config, indent=2), encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps(tokenizer), encoding="utf-8")
    (folder / "vocab.txt").write_text("\n".join(workload.vocabulary()) + "\n", encoding="utf-8")
    weights = random_weights(shape, n_labels, seed)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def random_weights(shape: dict[str, int], n_labels: int, seed: int) -> dict[str, torch.Tensor]:
    """Return the weights of a classifier under the names that transformers has for them."""
    width, inner = shape["dim"], shape["hidden_dim"]
    linear = {"pre_classifier": (width, width), "classifier": (n_labels, width)}
    norms = ["distilbert.embeddings.LayerNorm"]
    for number in range(shape["n_layers"]):
        layer = f"distilbert.transformer.layer.{number}"
        for letter in ("q", "k", "v", "out"):
            linear[f"{layer}.attention.{letter}_lin"] = (width, width)
        linear |= {f"{layer}.ffn.lin1": (inner, width), f"{layer}.ffn.lin2": (width, inner)}
        norms += [f"{layer}.sa_layer_norm", f"{layer}.output_layer_norm"]
    draw = torch.Generator().manual_seed(seed)
    found = {
        f"distilbert.embeddings.{name}.weight": STD * torch.randn(count, width, generator=draw)
        for name, count in (
            ("word_embeddings", workload.VOCAB_SIZE),
            ("position_embeddings", MAX_TOKENS),
        )
    }
    for name, sizes in linear.items():
        found[f"{name}.weight"] = STD * torch.randn(*sizes, generator=draw)
        found[f"{name}.bias"] = torch.zeros(sizes[0])
    for name in norms:
        found |= {f"{name}.weight": torch.ones(width), f"{name}.bias": torch.zeros(width)}
    return found


def add_task(model: Any, name: str, n_labels: int) -> None:
    """Add a task whose adapter is not the identity, as a fresh one would be."""
    labels = tuple(f"label{number}" for number in range(n_labels))
    task = model.add_task(name, head=ph.ClassificationHeadConfig(labels=labels), adapter=ADAPTER)
    with torch.no_grad():
        for weight in model.adapters[task.adapter].parameters():
            weight.normal_(std=STD)


def write_tasks(model: Any, folder: Path, n_tasks: int, seed: int = 0) -> None:
    """Write tasks until there are `n_tasks`, each with weights of its own."""
    for number in range(n_tasks):
        name = task_name(number)
        if (folder / name).exists():
            continue
        torch.manual_seed(seed + number)
        add_task(model, name, labels_of(number))
        model.save_task(name, folder / name)
        model.delete_task(name)


def main() -> None:
    """Write what is asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--shape", choices=SHAPES, default="distilbert")
    parser.add_argument("--tasks", type=int, default=100)
    parser.add_argument("--tasks-in", default=TASKS, help="name of the folder of tasks")
    parser.add_argument("--classifiers", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0, help="of the first task's weights")
    given = parser.parse_args()
    shape = SHAPES[given.shape]
    if not (given.folder / MODEL / "model.safetensors").exists():
        write_model(given.folder / MODEL, shape, n_labels=2)
    for number in range(given.classifiers):
        place = given.folder / CLASSIFIERS / task_name(number)
        if not (place / "model.safetensors").exists():
            write_model(place, shape, labels_of(number), seed=number)
    # a scratch folder: what a crash would leave of it is worth nothing
    os.fsync = lambda fd: None  # noqa: ARG005  (its name)
    model = ph.DistilBertModelWithHeads.from_pretrained(given.folder / MODEL)
    write_tasks(model, given.folder / given.tasks_in, given.tasks, given.seed)


if __name__ == "__main__":
    main()
