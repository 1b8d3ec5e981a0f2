"""The side of AdapterHub `adapters`: one adapter, one a row, one a request, or eight on each text.

It runs in the environment of `benchmarks/peers-requirements.txt`, with `python -P`, so that the
folder `adapters` of this repository never hides the library of that name.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

# At the end: the library `adapters` must come before the folder of that name.
sys.path.append(str(Path(__file__).resolve().parents[2]))

from benchmarks.speed import answering, padding
from benchmarks.speed.answering import Logits, Prepared, Rows, Spec
from benchmarks.speed.transformers_side import logits_of

GIVEN = "seq_bn"
KIND = "seq_bn"


class Adapters:
    """Answers rows with one encoder and its adapters, switched on as the library wants it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def prepare(self, spec: Spec, rows: Rows) -> Prepared:
        """Get ready for what `spec["kind"]` says: `one`, `batch_split`, `switching`, `parallel`."""
        if spec["kind"] == "parallel":
            return self._parallel(spec, rows)
        self._add(spec.get("adapters", 0))
        batches = padding.places_of(rows, spec["batch"], is_sorted=spec["sorted"])
        compute = {
            "one": self._one,
            "batch_split": self._batch_split,
            "switching": self._switching,
        }[spec["kind"]]
        choice: Sequence[int] = spec.get("choice", ())

        def run() -> Logits:
            with torch.inference_mode():
                return padding.answered(
                    rows, batches, lambda part, places: compute(part, places, choice)
                )

        return Prepared(run, logits=run if spec["kind"] == "one" else None)

    @cached_property
    def _model(self) -> Any:
        kind = importlib.import_module("transformers").DistilBertForSequenceClassification
        model = kind.from_pretrained(self._folder / "model")
        importlib.import_module("adapters").init(model)
        model.load_adapter(str(self._folder / GIVEN), load_as=GIVEN, use_safetensors=True)
        return model.eval()

    @cached_property
    def _blocks(self) -> Any:
        return importlib.import_module("adapters.composition")

    def _add(self, count: int) -> None:
        for number in range(count):
            if name_of(number) not in self._model.adapters_config.adapters:
                self._model.add_adapter(name_of(number), config=KIND)
        self._model.eval()

    def _one(self, rows: Rows, places: Sequence[int], choice: Sequence[int]) -> Logits:
        del places, choice
        self._model.set_active_adapters(GIVEN)
        return logits_of(self._model, rows)

    def _batch_split(self, rows: Rows, places: Sequence[int], choice: Sequence[int]) -> Logits:
        """Rows of one adapter side by side, as the block wants them."""
        order = sorted(range(len(rows)), key=lambda number: choice[places[number]])
        chosen = [choice[places[number]] for number in order]
        names = list(dict.fromkeys(chosen))
        sizes = [chosen.count(number) for number in names]
        block = self._blocks.BatchSplit(*map(name_of, names), batch_sizes=sizes)
        self._model.set_active_adapters(block)
        logits = logits_of(self._model, [rows[number] for number in order])
        return [logits[order.index(number)] for number in range(len(rows))]

    def _switching(self, rows: Rows, places: Sequence[int], choice: Sequence[int]) -> Logits:
        self._model.set_active_adapters(name_of(choice[places[0]]))
        return logits_of(self._model, rows)

    def _parallel(self, spec: Spec, rows: Rows) -> Prepared:
        """Several tasks on each text: the library repeats the batch at the first adapted layer."""
        kind = importlib.import_module("adapters").DistilBertAdapterModel
        model = kind.from_pretrained(self._folder / "model")
        names = [name_of(number) for number in range(spec["adapters"])]
        for name in names:
            model.add_adapter(name, config=KIND)
            model.add_classification_head(name, num_labels=2)
        model.set_active_adapters(self._blocks.Parallel(*names))
        model.eval()
        batches = padding.places_of(rows, spec["batch"], is_sorted=spec["sorted"])

        def compute(part: Rows, _: Sequence[int]) -> Logits:
            ids, mask = (torch.tensor(values) for values in padding.padded(part))
            done = model(input_ids=ids, attention_mask=mask)
            return torch.cat([output.logits for output in done], dim=1).tolist()

        def run() -> Logits:
            with torch.inference_mode():
                return padding.answered(rows, batches, compute)

        return Prepared(run)


def name_of(number: int) -> str:
    """Return the name of an adapter with fresh weights."""
    return f"fresh_{number}"


def main() -> None:
    """Answer the driver."""
    given = answering.parse_options(__doc__)
    torch.set_num_threads(given.threads)
    importlib.import_module("transformers").logging.set_verbosity_error()
    answering.answer_lines(Adapters(given.folder).prepare)


if __name__ == "__main__":
    main()
