"""How good are ladders beside `seq_bn` adapters and beside heads alone?

Every side is trained under the budget of `benchmarks/quality`: 3 epochs, lr 1e-3, batches of 32,
128 tokens, warm-up 0.1. Behind the first epoch those of a ladder, and of a head alone, cost next to
nothing; so both are trained for 20 epochs too. Each training is a process of its own. After every
run the results so far are written to `ladder_quality.json` and `ladder_quality.md` next to this
file.

Run it from the root of the repository, in an environment with polyhead, its extra `quickstart`, and
`plugins/polyhead-ladder`:

    python benchmarks/plugins/ladder_quality.py --data-root ../shared/data
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))

from benchmarks import report  # noqa: E402  (found by the line above)
from benchmarks.quality import measured  # noqa: E402
from benchmarks.quality.measured import Run  # noqa: E402
from benchmarks.quality.plans import BATCH_SIZE, LR, WARMUP_RATIO  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Sequence

SETS = ("sst2", "trec6", "banking77")
SIDES = {
    "seq_bn": ("seq_bn", 3),
    "ladder": ("ladder", 3),
    "head alone": ("none", 3),
    "ladder, 20 epochs": ("ladder", 20),
    "head alone, 20 epochs": ("none", 20),
}
"""For each side its adapter and its epochs."""

MAX_LENGTH = 128


def command_of(side: str, data: Path | str, output: Path | str) -> list[str]:
    """Return the command that trains a side, but for the seed."""
    adapter, epochs = SIDES[side]
    python = sys.executable if isinstance(data, Path) else "python"
    return [
        *(python, "-m", "polyhead", "train", "--task", "task", "--head", "classification"),
        *("--data", f"{data}/train.jsonl", "--eval", f"{data}/dev.jsonl", "--backbone", "minilm"),
        *("--adapter", adapter, "--epochs", str(epochs), "--lr", LR, "--head-lr", LR),
        *("--batch-size", BATCH_SIZE, "--max-length", str(MAX_LENGTH)),
        *("--warmup-ratio", WARMUP_RATIO, "--output", str(output), "--json"),
    ]


def run_one(side: str, name: str, seed: int, given: argparse.Namespace) -> Run:
    """Train one side once, in a fresh process and a fresh folder.

    Raises:
        RuntimeError: The process failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "task"
        command = command_of(side, given.data_root.resolve() / name, output)
        finished = report.run_process(
            [*command, "--seed", str(seed)],
            cwd=Path(folder),
            environment={"OMP_NUM_THREADS": str(given.threads), "HF_HUB_OFFLINE": "1"},
        )
        return measured.our_run(
            *(side, name, seed), threads=given.threads, finished=finished, output=output
        )


def as_table(runs: Sequence[Run]) -> str:
    """Format one row for each set and side."""
    header = ["Set, side", "accuracy", "macro F1", "accuracy, last epoch", "CPU time", "seeds"]
    rows = []
    for name in SETS:
        for side in SIDES:
            found = [run for run in runs if run.name == name and run.side == side]
            if not found:
                continue
            figures = [
                _mean([getattr(run, part)[figure] for run in found])
                for part, figure in (
                    ("best", "accuracy"),
                    ("best", "macro_f1"),
                    ("last", "accuracy"),
                )
            ]
            cpu_s = sum(run.cpu_s for run in found) / len(found)
            seeds = " ".join(str(run.seed) for run in found)
            rows.append([f"{name}, {side}", *figures, f"{cpu_s:.0f} s", seeds])
    return report.table(header, rows)


def _mean(figures: Sequence[float]) -> str:
    return f"{sum(figures) / len(figures):.3f}"


def save(runs: Sequence[Run], note: str) -> str:
    """Write the results of the runs so far and return the table."""
    facts = report.surroundings() | {"polyhead-ladder": report.installed("polyhead-ladder")}
    threads = " ".join(str(number) for number in sorted({run.threads for run in runs}))
    told = (
        "Figures on dev, of the epoch that is best there and of the last one, means over the "
        "seeds; the processor's time of the whole process. 3 epochs where nothing else is said. "
        f"Threads: {threads}. {note}\n\n"
        f"{report.describe(facts)[:-1]}, polyhead-ladder {facts['polyhead-ladder']}."
    )
    document: dict[str, Any] = {
        "surroundings": facts,
        "command": "python benchmarks/plugins/ladder_quality.py",
        "commands": {
            side: " ".join([*command_of(side, "DATA/SET", "TMP/SET"), "--seed", "SEED"])
            for side in SIDES
        },
        "note": note,
        "runs": [asdict(run) for run in runs],
    }
    markdown = f"{as_table(runs)}\n\n{told}\n"
    report.write(HERE, document, markdown, name="ladder_quality")
    return markdown


def earlier_runs() -> list[Run]:
    """Return the runs that were saved; the caller sees to it that the machine is the same."""
    path = HERE / "ladder_quality.json"
    if not path.exists():
        return []
    return [Run(**run) for run in json.loads(path.read_text(encoding="utf-8"))["runs"]]


def classification_runs(names: Sequence[str]) -> list[Run]:
    """Return polyhead's runs of `benchmarks/classification`: the same as `seq_bn`, made before."""
    path = HERE.parent / "classification" / "results.json"
    results = json.loads(path.read_text(encoding="utf-8"))
    threads = int(results["environment"]["OMP_NUM_THREADS"])
    runs = []
    for run in results["runs"]:
        if run["side"] != "polyhead" or run["data"] not in names:
            continue
        figures = [epoch["metrics"] for epoch in run["epochs"]]
        runs.append(
            Run(
                *("seq_bn", run["data"], run["seed"], threads, run["wall_s"], run["cpu_s"]),
                best=max(figures, key=lambda found: found["accuracy"]),
                last=figures[-1],
                epochs=run["epochs"],
                facts={"from": "benchmarks/classification"},
            )
        )
    return runs


def parse_options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data-root", type=Path, default=Path("../shared/data"))
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS), metavar="SET")
    parser.add_argument("--sides", nargs="+", choices=SIDES, default=list(SIDES))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--threads", type=int, default=report.cpu_count())
    parser.add_argument("--note", default="", help="what else the machine did, for the results")
    parser.add_argument(
        "--reuse", action="store_true", help="take seq_bn's runs of benchmarks/classification"
    )
    parser.add_argument(
        "--add", action="store_true", help="keep the runs that are in ladder_quality.json"
    )
    given = parser.parse_args(arguments)
    for name in given.sets:
        if not (given.data_root / name).exists():
            parser.error(f"{given.data_root / name} does not exist: see benchmarks/README.md")
    return given


def main() -> None:
    """Run everything asked for, saving after each run; a run that fails is told and left out."""
    given = parse_options()
    earlier = [
        *(classification_runs(given.sets) if given.reuse else []),
        *(earlier_runs() if given.add else []),
    ]
    runs = {run.key(): run for run in earlier}
    for name in given.sets:
        for seed in given.seeds:
            for side in given.sides:
                report.progress(f"{name}, seed {seed}: {side}")
                try:
                    run = run_one(side, name, seed, given)
                except RuntimeError as error:
                    report.progress(str(error))
                    continue
                runs[run.key()] = run
                save(list(runs.values()), given.note)
    print(save(list(runs.values()), given.note))


if __name__ == "__main__":
    main()
