"""Does a text cost more when many ladder tasks answer it?

One short text is answered by 1 to 16 tasks, each with a ladder and a classification head of its
own, and in the same way by tasks with a `seq_bn` adapter each. All numbers of tasks take turns in
one process, so that neither a busy moment of the machine nor a warm cache favours one. Each number
of threads has a process of its own. Writes `ladder_tasks.json` and `ladder_tasks.md` next to this
file.

Run it from the root of the repository, in an environment with polyhead, its extra `quickstart`, and
`plugins/polyhead-ladder`:

    python benchmarks/plugins/ladder_tasks.py
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))

from benchmarks import report  # noqa: E402  (found by the line above)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ADAPTERS = ("ladder", "seq_bn")
COUNTS = (1, 2, 4, 8, 16)
TEXT = (
    "the film is a charming and often affecting journey through the lives of three women in a "
    "small town by the sea"
)
WARM_UP = 5


def measure(threads: int, rounds: int) -> dict[str, Any]:
    """Time the calls in this process, in turns.

    Returns:
        The text's tokens, and for each adapter and number of tasks the seconds of each call by the
        clock and of the processor.
    """
    import torch  # noqa: PLC0415 - the process that only starts others does without

    import polyhead as ph  # noqa: PLC0415

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    model = ph.DistilBertModelWithHeads.from_pretrained("minilm")
    for adapter in ADAPTERS:
        for number in range(max(COUNTS)):
            head = ph.ClassificationHeadConfig(labels=("negative", "positive"))
            model.add_task(f"{adapter}_{number}", head=head, adapter=adapter)
    model.eval()
    calls: dict[str, Callable[[], object]] = {}
    for adapter in ADAPTERS:
        for count in COUNTS:
            tasks = [f"{adapter}_{number}" for number in range(count)]
            calls[f"{adapter} {count}"] = lambda tasks=tasks: model.predict([TEXT], task=tasks)
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in calls}
    for number in range(WARM_UP + rounds):
        for name, call in calls.items():
            wall, cpu = time.perf_counter(), time.process_time()
            call()
            taken = time.perf_counter() - wall, time.process_time() - cpu
            if number >= WARM_UP:
                times[name].append(taken)
    assert model.tokenizer is not None  # noqa: S101 - minilm has one
    return {"n_tokens": len(model.tokenizer.rows([TEXT])[0]), "threads": threads, "times": times}


def summarise(run: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Reduce one process's calls to medians, and each to its ratio to one task."""
    medians = {
        name: [statistics.median(seconds) for seconds in zip(*times, strict=True)]
        for name, times in run["times"].items()
    }
    summary = {}
    for name, (wall_s, cpu_s) in medians.items():
        one_wall_s, one_cpu_s = medians[f"{name.split()[0]} 1"]
        summary[name] = {
            "wall_s": wall_s,
            "cpu_s": cpu_s,
            "wall_ratio": wall_s / one_wall_s,
            "cpu_ratio": cpu_s / one_cpu_s,
        }
    return summary


def as_table(runs: Sequence[dict[str, Any]]) -> str:
    """Format one row for each number of threads, adapter and number of tasks."""
    header = ["Threads, adapter, tasks", "time", "times one task", "CPU time", "times one task"]
    rows = [
        [
            f"{run['threads']}, {name.replace(' ', ', ')}",
            f"{1000 * found['wall_s']:.1f} ms",
            f"{found['wall_ratio']:.2f}",
            f"{1000 * found['cpu_s']:.1f} ms",
            f"{found['cpu_ratio']:.2f}",
        ]
        for run in runs
        for name, found in run["summary"].items()
    ]
    return report.table(header, rows)


def parse_options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--note", default="", help="what else the machine did, for the results")
    parser.add_argument("--worker", type=int, help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def main() -> None:
    """Measure with each number of threads in a process of its own."""
    given = parse_options()
    if given.worker is not None:
        print(json.dumps(measure(given.worker, given.rounds)))
        return
    runs = []
    for threads in given.threads:
        report.progress(f"{threads} threads")
        command = [sys.executable, "-P", str(Path(__file__).resolve())]
        command += ["--worker", str(threads), "--rounds", str(given.rounds)]
        finished = report.run_process(
            command, cwd=HERE, environment={"OMP_NUM_THREADS": str(threads)}
        )
        run = json.loads(finished.stdout)
        runs.append(run | {"summary": summarise(run)})
    facts = report.surroundings() | {"polyhead-ladder": report.installed("polyhead-ladder")}
    note = (
        f"One text of {runs[0]['n_tokens']} tokens, answered by tasks with an adapter and a "
        f"classification head each: medians of {given.rounds} calls of `predict`, in turns. "
        f"{given.note}\n\n"
        f"{report.describe(facts)[:-1]}, polyhead-ladder {facts['polyhead-ladder']}."
    )
    document = {
        "surroundings": facts,
        "command": "python benchmarks/plugins/ladder_tasks.py",
        "note": given.note,
        "runs": runs,
    }
    markdown = f"{as_table(runs)}\n\n{note}\n"
    report.write(HERE, document, markdown, name="ladder_tasks")
    print(markdown)


if __name__ == "__main__":
    main()
