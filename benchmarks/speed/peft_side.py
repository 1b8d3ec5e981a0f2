"""The side of PEFT: LoRA adapters, a name for each row of a batch.

It runs in the environment of `benchmarks/peers-requirements.txt`, with `python -P`.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

# At the end: nothing of this repository shall hide a library.
sys.path.append(str(Path(__file__).resolve().parents[2]))

from benchmarks.speed import answering, padding
from benchmarks.speed.answering import Logits, Prepared, Rows, Spec

TARGETS = ["q_lin", "v_lin"]
RANK = 8


class Peft:
    """Answers rows with one encoder and many LoRA adapters."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "model"

    def prepare(self, spec: Spec, rows: Rows) -> Prepared:
        """Get ready for batches in which each row has its adapter of `spec["choice"]`."""
        model = self._load(spec["adapters"])
        choice: Sequence[int] = spec["choice"]
        batches = padding.places_of(rows, spec["batch"], is_sorted=spec["sorted"])

        def compute(part: Rows, places: Sequence[int]) -> Logits:
            ids, mask = (torch.tensor(values) for values in padding.padded(part))
            names = [name_of(choice[place]) for place in places]
            done = model(input_ids=ids, attention_mask=mask, adapter_names=names)
            return done.logits.tolist()  # type: ignore[no-any-return]

        def run() -> Logits:
            with torch.inference_mode():
                return padding.answered(rows, batches, compute)

        # the second factor of a new LoRA is 0: its answers are those of the bare encoder
        return Prepared(run, logits=run)

    def _load(self, count: int) -> Any:
        peft = importlib.import_module("peft")
        kind = importlib.import_module("transformers").DistilBertForSequenceClassification
        base = kind.from_pretrained(self._folder, attn_implementation="sdpa")
        config = peft.LoraConfig(r=RANK, target_modules=TARGETS)
        model = peft.get_peft_model(base, config, adapter_name=name_of(0))
        for number in range(1, count):
            model.add_adapter(name_of(number), config)
        return model.eval()


def name_of(number: int) -> str:
    """Return the name of an adapter."""
    return f"lora_{number}"


def main() -> None:
    """Answer the driver."""
    given = answering.parse_options(__doc__)
    torch.set_num_threads(given.threads)
    importlib.import_module("transformers").logging.set_verbosity_error()
    answering.answer_lines(Peft(given.folder).prepare)


if __name__ == "__main__":
    main()
