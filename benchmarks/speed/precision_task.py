"""Train one task on an encoder of some precision, or measure a saved one; prints JSON.

precision_task.py train --data ../shared/data/sst2 --head classification --precision int8 \
        --task OUT
precision_task.py measure --data ../shared/data/sst2 --precision int8 --task OUT
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polyhead as ph
from polyhead.registry import registry
from polyhead.train import Trainer, TrainSettings, evaluate, read_examples, seeded

NAME = "task"


def train(given: argparse.Namespace) -> dict[str, float]:
    """Train by the recipe of the kind of head, but for the epochs; keep and measure the best."""
    head_class, options = registry().head_spec(given.head)
    examples, dev = (
        read_examples(given.data / f"{part}.jsonl", head_class)[: given.limit]
        for part in ("train", "dev")
    )
    recipe = head_class.recipe
    settings = TrainSettings.of(recipe, epochs=given.epochs, seed=given.seed)
    model = load(given.backbone, given.precision)
    with seeded(given.seed):
        head = head_class.configure(options, examples)
        model.add_task(NAME, head=head, adapter=recipe.adapter)
    Trainer(model, settings).fit(NAME, examples, dev)
    model.save_task(NAME, given.task)
    model.eval()
    return dict(evaluate(model, NAME, dev))


def measure(given: argparse.Namespace) -> dict[str, float]:
    """Measure a saved task on dev."""
    model = load(given.backbone, given.precision)
    model.load_task(given.task, name=NAME)
    model.eval()
    head = model.heads[model.task(NAME).head]
    dev = read_examples(given.data / "dev.jsonl", type(head))[: given.limit]
    return dict(evaluate(model, NAME, dev))


def load(backbone: str, precision: str) -> Any:
    """Return a model on a backbone."""
    return ph.DistilBertModelWithHeads.from_pretrained(backbone, precision=precision)


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line, work, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("what", choices=("train", "measure"))
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--head", default="classification")
    parser.add_argument("--precision", required=True)
    parser.add_argument("--task", type=Path, required=True, help="folder of the saved task")
    parser.add_argument("--backbone", default="minilm")
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--limit", type=int, help="examples of each part")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(arguments)
    started = time.perf_counter()
    metrics = {"train": train, "measure": measure}[given.what](given)
    print(json.dumps({"metrics": metrics, "seconds": time.perf_counter() - started}))


if __name__ == "__main__":
    main()
