"""Measure a head that has nothing to learn: embeddings of the bare encoder on scored pairs.

Prints one JSON object with the keys that `polyhead train --json` prints: `metrics`, `seconds`.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

from polyhead import DistilBertModelWithHeads
from polyhead.registry import registry
from polyhead.train import evaluate, read_examples

if TYPE_CHECKING:
    from collections.abc import Sequence

TASK = "zero-shot"


def measure(head: str, data: Path, backbone: str) -> dict[str, float]:
    """Return the metrics of a fresh head on the bare encoder."""
    head_class, options = registry().head_spec(head)
    examples = read_examples(data, head_class)
    model = DistilBertModelWithHeads.from_pretrained(backbone)
    model.add_task(TASK, head=head_class.configure(options, examples), adapter=None)
    return dict(evaluate(model, TASK, examples))


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--head", default="embedding")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--backbone", default="minilm")
    given = parser.parse_args(arguments)
    started = time.perf_counter()
    metrics = measure(given.head, given.data, given.backbone)
    print(json.dumps({"metrics": metrics, "seconds": time.perf_counter() - started}))


if __name__ == "__main__":
    main()
