"""What does an epoch of sst2 cost with a ladder, and what with `seq_bn`?

A ladder only reads what the encoder computes, which is kept from the first epoch on; `seq_bn` acts
inside the encoder, which is computed in every epoch. Also trained, for comparison: a head on the
bare encoder, and a ladder of which nothing is kept. Each training is a process of its own, all in
turns, some rounds of them. Writes `ladder_training.json` and `ladder_training.md` next to this
file.

Run it from the root of the repository, in an environment with polyhead, its extra `quickstart`, and
`plugins/polyhead-ladder`:

    python benchmarks/plugins/ladder_training.py --data-root ../shared/data
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))

from benchmarks import report  # noqa: E402  (found by the line above)

if TYPE_CHECKING:
    from collections.abc import Sequence

SET = "sst2"
SIDES = {
    "seq_bn": ("seq_bn", 2, 2.0),
    "ladder": ("ladder", 4, 2.0),
    "ladder, nothing kept": ("ladder", 2, 0.0),
    "head alone": (None, 4, 2.0),
}
"""For each side its adapter, its epochs, and the GB that may be kept."""

MAX_LENGTH = 128
TIMES = ("train_s", "eval_s", "wall_s", "cpu_s")


def measure(side: str, data: Path, n_examples: int | None, threads: int) -> dict[str, Any]:
    """Train in this process.

    Returns:
        For each epoch the seconds of its steps, of its evaluation, of both by the clock and of
        both of the processor, and its accuracy; and the most memory the process held.
    """
    import torch  # noqa: PLC0415 - the process that only starts others does without

    import polyhead as ph  # noqa: PLC0415
    from polyhead.heads import ClassificationHead  # noqa: PLC0415
    from polyhead.train import read_examples, seeded  # noqa: PLC0415

    torch.set_num_threads(threads)
    adapter, n_epochs, cache = SIDES[side]
    train, dev = (
        read_examples(data / f"{part}.jsonl", ClassificationHead)[:n_examples]
        for part in ("train", "dev")
    )
    model = ph.DistilBertModelWithHeads.from_pretrained("minilm")
    text = ph.TextSettings(max_length=MAX_LENGTH)
    with seeded(0):
        head = ClassificationHead.configure({}, train)
        model.add_task(SET, head=head, adapter=adapter, text=text)
    marks: list[tuple[float, float]] = []
    epochs: list[dict[str, float]] = []

    def observe(event: ph.TrainEvent) -> None:
        if event.event in {"start", "epoch"}:
            marks.append((time.perf_counter(), time.process_time()))
        if event.event == "epoch":
            before, now = marks[-2:]
            times = (event.train_s, event.eval_s, now[0] - before[0], now[1] - before[1])
            accuracy = (event.metrics or {})["accuracy"]
            epochs.append(dict(zip(TIMES, times, strict=True)) | {"accuracy": accuracy})

    settings = ph.TrainSettings(epochs=n_epochs, activation_cache=cache)
    ph.Trainer(model, settings, observers=[observe]).fit(SET, train, dev)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"side": side, "threads": threads, "epochs": epochs, "memory_mb": memory / 1024}


def summarise(runs: Sequence[dict[str, Any]]) -> dict[str, dict[str, dict[str, float]]]:
    """Reduce the runs to medians: of the first epochs, and of those behind."""
    summary: dict[str, dict[str, dict[str, float]]] = {}
    for side in SIDES:
        of_side = [run for run in runs if run["side"] == side]
        if not of_side:
            continue
        parts = {
            "first": [run["epochs"][0] for run in of_side],
            "later": [epoch for run in of_side for epoch in run["epochs"][1:]],
        }
        summary[side] = {
            part: {time: statistics.median(epoch[time] for epoch in epochs) for time in TIMES}
            for part, epochs in parts.items()
        }
        memory = statistics.median(run["memory_mb"] for run in of_side)
        summary[side]["process"] = {"memory_mb": memory}
    return summary


def as_table(summary: dict[str, dict[str, dict[str, float]]]) -> str:
    """Format one row for each side."""
    header = [
        "Side",
        "first epoch",
        "later epochs",
        "of seq_bn's",
        "later, CPU with dev",
        "of seq_bn's",
        "memory",
    ]
    rows = []
    base = summary["seq_bn"]["later"]
    for side, found in summary.items():
        first, later = found["first"], found["later"]
        rows.append(
            [
                side,
                f"{first['train_s']:.1f} s",
                f"{later['train_s']:.2f} s",
                f"{later['train_s'] / base['train_s']:.3f}",
                f"{later['cpu_s']:.2f} s",
                f"{later['cpu_s'] / base['cpu_s']:.3f}",
                f"{found['process']['memory_mb']:,.0f} MB",
            ]
        )
    return report.table(header, rows)


def save(runs: Sequence[dict[str, Any]], given: argparse.Namespace) -> str:
    """Write the results of the runs so far and return the table."""
    facts = report.surroundings() | {"polyhead-ladder": report.installed("polyhead-ladder")}
    summary = summarise(runs)
    used = "all examples" if given.examples is None else f"the first {given.examples} examples"
    note = (
        f"Training epochs of {SET} with {used}, batches of 32, {given.threads} thread: medians "
        "of the time of the steps, and of the processor's time with the evaluation on dev. "
        f"{given.note}\n\n"
        f"{report.describe(facts)[:-1]}, polyhead-ladder {facts['polyhead-ladder']}."
    )
    document = {
        "surroundings": facts,
        "command": "python benchmarks/plugins/ladder_training.py",
        "note": given.note,
        "summary": summary,
        "runs": list(runs),
    }
    markdown = f"{as_table(summary)}\n\n{note}\n"
    report.write(HERE, document, markdown, name="ladder_training")
    return markdown


def parse_options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data-root", type=Path, default=Path("../shared/data"))
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--examples", type=int, help="fewer examples, for a trial")
    parser.add_argument("--note", default="", help="what else the machine did, for the results")
    parser.add_argument("--worker", choices=SIDES, help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if not (given.data_root / SET).exists():
        parser.error(f"{given.data_root / SET} does not exist: see benchmarks/README.md")
    return given


def main() -> None:
    """Train every side in turns, saving after each round."""
    given = parse_options()
    data = given.data_root.resolve()
    if given.worker is not None:
        print(json.dumps(measure(given.worker, data / SET, given.examples, given.threads)))
        return
    runs = []
    for number in range(given.rounds):
        for side in SIDES:
            report.progress(f"round {number + 1}: {side}")
            command = [sys.executable, "-P", str(Path(__file__).resolve()), "--worker", side]
            command += ["--data-root", str(data), "--threads", str(given.threads)]
            if given.examples is not None:
                command += ["--examples", str(given.examples)]
            finished = report.run_process(
                command, cwd=HERE, environment={"OMP_NUM_THREADS": str(given.threads)}
            )
            runs.append(json.loads(finished.stdout))
        save(runs, given)
    print(save(runs, given))


if __name__ == "__main__":
    main()
