"""Train `polyhead-crf` and the built-in tagging head on the same entities: what does a CRF add?

Each is trained twice: under the budget of `benchmarks/quality`, and with its own recipe, which is
what `polyhead train` does where nothing is said. Each training is a process of its own, the two
heads in turns. After every run the results so far are written to `crf.json` and `crf.md` next to
this file.

Run it from the root of the repository, in an environment with polyhead, its extra `train`, and
`plugins/polyhead-crf`:

    python benchmarks/plugins/crf.py
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))

from benchmarks import report  # noqa: E402  (found by the line above)
from benchmarks.quality import measured, plans  # noqa: E402
from benchmarks.quality.measured import Run  # noqa: E402
from benchmarks.quality.plans import BUDGET, RECIPE, Plan  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Sequence

HEADS = ("tagging", "crf")
BUDGETS = {BUDGET: "same budget", RECIPE: "recipe"}
SETS = ("wnut17", "uner_ewt")
FIGURES = {"f1": "F1", "precision": "precision", "recall": "recall", "accuracy": "accuracy"}


def side_of(head: str, budget: str) -> str:
    """Return what a run is called in the results."""
    return f"{head}, {BUDGETS[budget]}"


def command_of(
    head: str, budget: str, name: str, data: Path | str, output: Path | str
) -> list[str]:
    """Return the command that trains a head, but for the seed."""
    plan = Plan(name, head, ("f1",), peer_kind="entities")
    python = sys.executable if isinstance(data, Path) else "python"
    return plans.our_command(plan, budget, python, data, output)


def run_one(head: str, budget: str, name: str, seed: int, given: argparse.Namespace) -> Run:
    """Train one head once, in a fresh process and a fresh folder.

    Raises:
        RuntimeError: The process failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "task"
        command = command_of(head, budget, name, given.data_root.resolve() / name, output)
        finished = report.run_process(
            [*command, "--seed", str(seed)],
            cwd=Path(folder),
            environment={"OMP_NUM_THREADS": str(given.threads), "HF_HUB_OFFLINE": "1"},
        )
        return measured.our_run(
            *(side_of(head, budget), name, seed),
            threads=given.threads,
            finished=finished,
            output=output,
        )


def as_table(summary: dict[str, dict[str, dict[str, Any]]]) -> str:
    """Format one row for each set, budget and head."""
    header = ["Set, budget, head", *FIGURES.values(), "F1, last epoch", "CPU time", "seeds"]
    rows = []
    for name, sides in summary.items():
        for budget, title in BUDGETS.items():
            for head in HEADS:
                found = sides.get(side_of(head, budget))
                if found is None:
                    continue
                figures = [f"{found['best'][figure]:.3f}" for figure in FIGURES]
                seeds = " ".join(str(seed) for seed in found["seeds"])
                times = [f"{found['last']['f1']:.3f}", f"{found['cpu_mean_s']:.0f} s", seeds]
                rows.append([f"{name}, {title}, {head}", *figures, *times])
    return report.table(header, rows)


def save(runs: Sequence[Run]) -> str:
    """Write the results of the runs so far and return the table."""
    facts = report.surroundings() | {"polyhead-crf": report.installed("polyhead-crf")}
    summary = measured.summarise(runs)
    threads = " ".join(str(number) for number in sorted({run.threads for run in runs}))
    note = (
        "Entities of dev, as seqeval counts them in its default mode: the epoch with the best F1, "
        f"means over the seeds. Threads: {threads}.\n\n"
        f"{report.describe(facts)[:-1]}, polyhead-crf {facts['polyhead-crf']}."
    )
    commands = {
        side_of(head, budget): " ".join(
            [*command_of(head, budget, "SET", "DATA/SET", "TMP/SET"), "--seed", "SEED"]
        )
        for head in HEADS
        for budget in BUDGETS
    }
    document = {
        "surroundings": facts,
        "command": "python benchmarks/plugins/crf.py",
        "commands": commands,
        "summary": summary,
        "runs": [asdict(run) for run in runs],
    }
    markdown = f"{as_table(summary)}\n\n{note}\n"
    report.write(HERE, document, markdown, name="crf")
    return markdown


def earlier_runs() -> list[Run]:
    """Return the runs in crf.json; the caller sees to it that the machine is the same."""
    path = HERE / "crf.json"
    if not path.exists():
        return []
    return [Run(**run) for run in json.loads(path.read_text(encoding="utf-8"))["runs"]]


def quality_runs(names: Sequence[str]) -> list[Run]:
    """Return the tagging head's runs of `benchmarks/quality`: the same commands, made before."""
    path = HERE.parent / "quality" / "results.json"
    runs = [Run(**run) for run in json.loads(path.read_text(encoding="utf-8"))["runs"]]
    return [
        replace(run, side=side_of("tagging", run.side))
        for run in runs
        if run.side in BUDGETS and run.name in names
    ]


def parse_options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data-root", type=Path, default=Path("../shared/data"))
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS), metavar="SET")
    parser.add_argument("--heads", nargs="+", choices=HEADS, default=list(HEADS))
    parser.add_argument("--budgets", nargs="+", choices=BUDGETS, default=list(BUDGETS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--threads", type=int, default=report.cpu_count())
    parser.add_argument("--add", action="store_true", help="keep the runs that are in crf.json")
    parser.add_argument(
        "--reuse", action="store_true", help="take the tagging head's runs of benchmarks/quality"
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
        *(quality_runs(given.sets) if given.reuse else []),
        *(earlier_runs() if given.add else []),
    ]
    runs = {run.key(): run for run in earlier}
    for name in given.sets:
        for seed in given.seeds:
            for budget in given.budgets:
                for head in given.heads:
                    report.progress(f"{name}, seed {seed}: {side_of(head, budget)}")
                    try:
                        run = run_one(head, budget, name, seed, given)
                    except RuntimeError as error:
                        report.progress(str(error))
                        continue
                    runs[run.key()] = run
                    save(list(runs.values()))
    print(save(list(runs.values())))


if __name__ == "__main__":
    main()
