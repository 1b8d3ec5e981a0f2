"""Measure a trained parser under each way of decoding: what do trees add?

    python benchmarks/plugins/dependency_decoding.py --task tasks/parse --data dev.jsonl

Prints one JSON object: for each decoding the figures of `polyhead evaluate`, and the seconds of
processor time that all of the evaluation took.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import get_args

from polyhead_dependency import DependencyHead, DependencyHeadConfig

import polyhead as ph
from polyhead.train import evaluate, read_examples


def main() -> None:
    """Evaluate, and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--task", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--backbone", default="minilm")
    given = parser.parse_args()
    model = ph.DistilBertModelWithHeads.from_pretrained(given.backbone)
    name = model.load_task(given.task)
    examples = read_examples(given.data, DependencyHead)
    head = model.heads[name]
    found = {}
    for decoding in get_args(DependencyHeadConfig.model_fields["decoding"].annotation):
        head.set_decoding(decoding)
        started = time.process_time()
        found[decoding] = evaluate(model, name, examples)
        found[decoding]["cpu_s"] = time.process_time() - started
    print(json.dumps(found))


if __name__ == "__main__":
    main()
