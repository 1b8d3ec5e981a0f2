"""Our side: what the others compute, through `model.answer`, decoding included.

It runs as the others do: a process of its own with `python -P`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open

# At the end: polyhead is imported as it is installed.
sys.path.append(str(Path(__file__).resolve().parents[2]))

import polyhead as ph
from benchmarks.speed import answering
from benchmarks.speed.answering import Logits, Prepared, Rows, Spec
from benchmarks.speed.operators import seconds_by_operator
from benchmarks.speed.own_figures import FIGURES
from polyhead.model import HeadCall, Task
from polyhead.model.prediction import Question
from polyhead.routing import token_batches

GIVEN = "given"
"""In the place of an adapter's config: the one that `adapters` saved."""

HEAD = ph.ClassificationHeadConfig(
    labels=("negative", "positive"), layers=2, activation="relu", pooling="cls"
)
"""DistilBERT's own classifier."""

HEAD_KEYS = {
    "dense.0.weight": "pre_classifier.weight",
    "dense.0.bias": "pre_classifier.bias",
    "out.weight": "classifier.weight",
    "out.bias": "classifier.bias",
}
BATCH = 32  # for comparing alone


class Polyhead:
    """Answers rows with models of ours, one for each contender."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def prepare(self, spec: Spec, rows: Rows) -> Prepared:
        """Get ready for what `spec["kind"]` says."""
        ways: dict[str, Callable[[Spec, Rows], Prepared]] = {
            "answer": self._answer,
            "several": self._several,
            "packed": self._packed,
            "profile": self._profile,
            **FIGURES,
        }
        return ways[spec["kind"]](spec, rows)

    def _answer(self, spec: Spec, rows: Rows) -> Prepared:
        """Each text is asked about for one task: that of its place in `choice`, or the first.

        `adapters` are the tasks' configs, `precision` the encoder's.
        """
        model = self._model(spec["precision"])
        tasks = [
            self._add_task(model, f"task{number}", config)
            for number, config in enumerate(spec["adapters"])
        ]
        places: dict[int, list[int]] = {}
        for place, number in enumerate(spec.get("choice") or [0] * len(rows)):
            places.setdefault(number, []).append(place)
        questions = [
            question(model, tasks[number], [rows[place] for place in own])
            for number, own in places.items()
        ]

        def run() -> object:
            return model.answer(questions)

        def logits() -> Logits:
            run()
            found: dict[int, list[float]] = {}
            for asked, own in zip(questions, places.values(), strict=True):
                found.update(zip(own, logits_of(model, asked), strict=True))
            return [found[place] for place in range(len(rows))]

        return Prepared(run, logits=logits)

    def _profile(self, spec: Spec, rows: Rows) -> Prepared:
        """What takes the time of another contender, told in the facts."""
        prepared = self.prepare(spec["of"], rows)
        prepared.run()  # what only the first run does is not wanted
        return Prepared(prepared.run, facts=seconds_by_operator(prepared.run))

    def _several(self, spec: Spec, rows: Rows) -> Prepared:
        """Each text is asked about for several tasks: all `at_once`, or one behind the other."""
        model = self._model(spec["precision"])
        shared = None
        if spec["share"]:
            model.add_adapter("shared", spec["adapter"])
            shared = "shared"
        questions = []
        for number in range(spec["tasks"]):
            adapter = None if shared else spec["adapter"]
            task = model.add_task(f"task{number}", head=HEAD, adapter=adapter, share_adapter=shared)
            questions.append(question(model, task, rows))
        model.eval()
        passes = [questions] if spec["at_once"] else [[asked] for asked in questions]
        return Prepared(lambda: [model.answer(asked) for asked in passes])

    def _packed(self, spec: Spec, rows: Rows) -> Prepared:
        """All texts by one head, in batches of at most `batch_tokens` tokens, on a `device`.

        Adapters are those of `adapters`, for each text that of its place in `choice`. With `graphs`
        the encoder's steps are recorded.
        """
        model = self._model(spec["precision"], spec["device"])
        if spec.get("graphs"):
            model.encoder.capture_graphs()
        task = self._add_task(model, "task", None)
        names = [self._add_adapter(model, config) for config in spec["adapters"]]
        choice = spec.get("choice") or [0] * len(rows)
        batches = token_batches([len(row) for row in rows], spec["batch_tokens"])
        calls = [
            HeadCall(
                task.head,
                tuple(ph.Row(tuple(rows[place])) for place in batch),
                tuple(names[choice[place]] for place in batch),
            )
            for batch in batches
        ]

        def run() -> Logits:
            with torch.inference_mode():
                # a list at the end, and not after each batch: the device need not wait
                outputs = [model.compute([call])[0] for call in calls]
                logits = torch.cat(outputs).tolist()
            places = [place for batch in batches for place in batch]
            found = dict(zip(places, logits, strict=True))
            return [found[place] for place in range(len(rows))]

        return Prepared(run, logits=run)

    def _model(self, precision: str, device: str = "cpu") -> Any:
        return ph.DistilBertModelWithHeads.from_pretrained(
            self._folder / "model", precision=precision, device=device
        )

    def _add_adapter(self, model: Any, config: str | None) -> str | None:
        """Add an adapter; return its name, or None for none."""
        if config is None:
            return None
        if config == GIVEN:
            return str(ph.load_foreign(model, self._folder / "seq_bn").adapters[0])
        name = f"adapter{len(model.adapters)}"
        model.add_adapter(name, config)
        model.eval()
        return name

    def _add_task(self, model: Any, name: str, config: str | None) -> Task:
        """A task with an adapter and a head of its own; every head has the checkpoint's weights."""
        share = None
        if config == GIVEN:
            share = ph.load_foreign(model, self._folder / "seq_bn").adapters[0]
            config = None
        task = model.add_task(name, head=HEAD, adapter=config, share_adapter=share)
        with safe_open(self._folder / "model" / "model.safetensors", "pt") as weights:
            own = {name: weights.get_tensor(theirs) for name, theirs in HEAD_KEYS.items()}
        model.heads[task.head].load_state_dict(own)
        model.eval()
        return task  # type: ignore[no-any-return]


def question(model: Any, task: Task, rows: Rows) -> Question:
    """Return texts as `model.answer` takes them, encoded."""
    head = model.heads[task.head]
    example = head.parse("a text")
    encoded = [ph.Encoded(example, (ph.Row(tuple(row)),)) for row in rows]
    return Question(task, head, encoded)


def logits_of(model: Any, asked: Question) -> Logits:
    """Return the logits of a question's texts, in their order."""
    found: Logits = []
    with torch.inference_mode():
        for start in range(0, len(asked.encoded), BATCH):
            part = asked.encoded[start : start + BATCH]
            (output,) = model.compute([HeadCall.of(asked.task, part)])
            found += output.tolist()
    return found


def main() -> None:
    """Answer the driver."""
    given = answering.parse_options(__doc__)
    torch.set_num_threads(given.threads)
    answering.answer_lines(Polyhead(given.folder).prepare)


if __name__ == "__main__":
    main()
