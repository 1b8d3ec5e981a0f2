"""The side of transformers: DistilBERT with torch's scaled dot product attention.

It runs in the environment of `benchmarks/peers-requirements.txt`, with `python -P`.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import torch

# At the end: nothing of this repository shall hide a library.
sys.path.append(str(Path(__file__).resolve().parents[2]))

from benchmarks.speed import answering, padding
from benchmarks.speed.answering import Logits, Prepared, Rows, Spec


class Transformers:
    """Answers rows with `DistilBertForSequenceClassification`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "model"
        self._model = cache(self._load)

    def prepare(self, spec: Spec, rows: Rows) -> Prepared:
        """Get ready for batches of `spec`: `batch`, `sorted`, `dtype`, `device`.

        The dtype "int8" is torch's dynamic quantisation of all linear layers.
        """
        model = self._model(spec.get("dtype", "float32"), spec.get("device", "cpu"))
        batches = padding.places_of(rows, spec["batch"], is_sorted=spec["sorted"])

        def run() -> Logits:
            with torch.inference_mode():
                return padding.answered(rows, batches, lambda part, _: logits_of(model, part))

        return Prepared(run, logits=run)

    def _load(self, dtype: str, device: str) -> Any:
        kind = importlib.import_module("transformers").DistilBertForSequenceClassification
        model = kind.from_pretrained(self._folder, attn_implementation="sdpa").eval()
        if dtype == "int8":
            return dynamically_quantised(model)
        return model.to(device=device, dtype=getattr(torch, dtype))


def dynamically_quantised(model: Any) -> Any:
    """Return the model with int8 linear layers, scales found for each batch."""
    quantization = importlib.import_module("torch.ao.quantization")
    return quantization.quantize_dynamic(model, {torch.nn.Linear}, dtype=torch.qint8)


def logits_of(model: Any, rows: Rows) -> Logits:
    """Run one padded batch."""
    inputs: Sequence[torch.Tensor] = [
        torch.tensor(values, device=model.device) for values in padding.padded(rows)
    ]
    found: Logits = model(input_ids=inputs[0], attention_mask=inputs[1]).logits.tolist()
    return found


def main() -> None:
    """Answer the driver."""
    given = answering.parse_options(__doc__)
    torch.set_num_threads(given.threads)
    importlib.import_module("transformers").logging.set_verbosity_error()
    answering.answer_lines(Transformers(given.folder).prepare)


if __name__ == "__main__":
    main()
