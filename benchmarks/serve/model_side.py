"""The model without a server, in a process of its own: what serving is compared with.

It talks as the sides of the speed benchmark do: JSON lines, `prepare` and `run`.
"""

from __future__ import annotations

import sys
import time
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

# At the end: polyhead is imported as it is installed.
sys.path.append(str(Path(__file__).resolve().parents[2]))

import polyhead as ph
from benchmarks.serve.names import MODEL
from benchmarks.speed import answering
from benchmarks.speed.answering import Prepared, Rows, Spec
from polyhead.model import HeadCall


class Alone:
    """One model with all tasks."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def prepare(self, spec: Spec, rows: Rows) -> Prepared:
        """Encode `spec["asks"]`, pairs of task and text, for `spec["way"]`.

        `answer` is `model.answer` on all of them at once; `forward` the bare pass of the encoder,
        adapter and head over them, without decoding.
        """
        del rows
        model: Any = self._model
        texts: dict[str, list[str]] = {}
        for task, text in spec["asks"]:
            texts.setdefault(task, []).append(text)
        for task in texts:
            if task not in model.tasks:
                model.load_task(self._folder / spec["tasks_in"] / task)
        model.eval()
        started = time.perf_counter()
        questions = model.questions(texts)
        facts = {
            "tokenize_s": time.perf_counter() - started,
            "n_tokens": sum(
                len(row) for asked in questions for text in asked.encoded for row in text.rows
            ),
        }
        if spec["way"] == "answer":
            return Prepared(lambda: model.answer(questions), facts=facts)
        calls = [HeadCall.of(asked.task, asked.encoded) for asked in questions]

        def forward() -> object:
            with torch.inference_mode():
                return model.compute(calls)

        return Prepared(forward, facts=facts)

    @cached_property
    def _model(self) -> Any:
        return ph.DistilBertModelWithHeads.from_pretrained(self._folder / MODEL)


def main() -> None:
    """Answer the driver."""
    given = answering.parse_options(__doc__)
    torch.set_num_threads(given.threads)
    answering.answer_lines(Alone(given.folder).prepare)


if __name__ == "__main__":
    main()
