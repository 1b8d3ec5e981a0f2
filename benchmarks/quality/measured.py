"""What one run measured, and how the runs become the table."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import report
from benchmarks.quality.plans import ADAPTERS, BUDGET, PLANS, RECIPE, SIDES

TITLES = {
    ADAPTERS: "adapters 1.3",
    BUDGET: "polyhead, same budget",
    RECIPE: "polyhead, recipe",
}
METRIC_TITLES = {
    "pearson": "Pearson",
    "spearman": "Spearman",
    "f1": "F1",
    "exact_match": "EM",
    "best_f1": "F1, best threshold",
    "micro_f1": "micro F1",
    "macro_f1": "macro F1",
    "mcc": "MCC",
}
PERPLEXITY = "perplexity"

Event = dict[str, Any]


@dataclass(frozen=True)
class Run:
    """What one training of one side measured.

    Attributes:
        side: One of `SIDES`.
        name: The plan.
        seed: The seed.
        threads: Value of `OMP_NUM_THREADS`.
        wall_s: Seconds from start to end, training, evaluation and saving included.
        cpu_s: Processor seconds; well below `wall_s` times the threads when other work held the
            machine.
        best: The metrics of the best epoch on dev.
        last: Those of the last epoch.
        epochs: The run's own lines about its epochs.
        facts: Versions and parameter counts that the other side prints.
    """

    side: str
    name: str
    seed: int
    threads: int
    wall_s: float
    cpu_s: float
    best: dict[str, float]
    last: dict[str, float]
    epochs: list[Event]
    facts: Event

    def key(self) -> tuple[str, str, int]:
        """Return what a second run would take the place of."""
        return self.side, self.name, self.seed


def parse_events(lines: str) -> list[Event]:
    """Read JSON lines."""
    return [json.loads(line) for line in lines.splitlines() if line.strip()]


def our_run(
    side: str,
    name: str,
    seed: int,
    *,
    threads: int,
    finished: report.Finished,
    output: Path,
    facts: Event | None = None,
) -> Run:
    """Read what a finished `polyhead train --json` measured.

    Args:
        side: Of the benchmark.
        name: Of the plan or data set.
        seed: Of the training.
        threads: It ran with.
        finished: The process.
        output: The task's folder, with the log of the training.
        facts: Anything else, for the results.
    """
    events = parse_events((output / "train.jsonl").read_text(encoding="utf-8"))
    epochs = [event for event in events if event["event"] == "epoch"]
    return Run(
        *(side, name, seed, threads),
        wall_s=finished.wall_s,
        cpu_s=finished.cpu_s,
        best=json.loads(finished.stdout)["metrics"],
        last=epochs[-1]["metrics"],
        epochs=epochs,
        facts=facts or {},
    )


def peer_run(name: str, lines: str) -> Run:
    """Read what `peer_adapters.py` printed.

    Raises:
        ValueError: The run did not come to its end.
    """
    events = parse_events(lines)
    if not events or events[-1]["event"] != "end":
        raise ValueError(f"the {ADAPTERS} run of {name} did not come to its end")
    setup, end = events[0], events[-1]
    return Run(
        side=ADAPTERS,
        name=name,
        seed=end["seed"],
        threads=setup["threads"],
        wall_s=end["wall_s"],
        cpu_s=end["cpu_s"],
        best=end["best"],
        last=end["last"],
        epochs=[event for event in events if event["event"] == "epoch"],
        facts={"versions": end["versions"], "parameters": setup["parameters"]},
    )


def summarise(runs: Iterable[Run]) -> dict[str, dict[str, dict[str, Any]]]:
    """Reduce the runs to means over the seeds, by plan and side."""
    groups: dict[str, dict[str, list[Run]]] = {}
    for run in runs:
        groups.setdefault(run.name, {}).setdefault(run.side, []).append(run)
    return {
        name: {side: _means(of_side) for side, of_side in sides.items()}
        for name, sides in sorted(groups.items(), key=lambda group: list(PLANS).index(group[0]))
    }


def _means(runs: Sequence[Run]) -> dict[str, Any]:
    metrics = set(runs[0].best).intersection(*(run.best for run in runs))
    return {
        "seeds": sorted(run.seed for run in runs),
        "threads": sorted({run.threads for run in runs}),
        "wall_mean_s": statistics.fmean(run.wall_s for run in runs),
        "cpu_mean_s": statistics.fmean(run.cpu_s for run in runs),
        "best": {key: statistics.fmean(run.best[key] for run in runs) for key in sorted(metrics)},
        "last": {key: statistics.fmean(run.last[key] for run in runs) for key in sorted(metrics)},
    }


def as_table(summary: dict[str, dict[str, dict[str, Any]]]) -> str:
    """Format one row for each set and metric."""
    header = [
        "Set",
        "metric",
        *(TITLES[side] for side in SIDES),
        *(f"time: {TITLES[side]}" for side in SIDES),
    ]
    rows = []
    for name, sides in summary.items():
        plan = PLANS[name]
        title = f"{plan.data}, {plan.note}" if plan.note else plan.data
        for number, metric in enumerate(plan.metrics):
            figures = [_figure(sides.get(side), metric) for side in SIDES]
            times = [_time(sides.get(side)) if number == 0 else "" for side in SIDES]
            rows.append([title, METRIC_TITLES.get(metric, metric), *figures, *times])
    return report.table(header, rows)


def _figure(summary: dict[str, Any] | None, metric: str) -> str:
    value = None if summary is None else summary["best"].get(metric)
    if value is None:
        return ""
    return f"{value:.1f}" if metric == PERPLEXITY else f"{value:.3f}"


def _time(summary: dict[str, Any] | None) -> str:
    if summary is None:
        return ""
    return f"{summary['wall_mean_s']:.0f} s (CPU {summary['cpu_mean_s']:.0f} s)"


def threads_and_seeds(runs: Sequence[Run]) -> str:
    """Say in one sentence how many threads and which seeds each side ran with."""
    parts = []
    for side in SIDES:
        of_side = [run for run in runs if run.side == side]
        if of_side:
            threads = _listed({run.threads for run in of_side})
            seeds = _listed({run.seed for run in of_side})
            parts.append(f"{TITLES[side]}: seeds {seeds}, threads {threads}")
    return "; ".join(parts) + "."


def _listed(numbers: Iterable[int]) -> str:
    return " ".join(str(number) for number in sorted(numbers))
