"""What do answers lose on the int8 encoder, and do adapters trained on it get it back?

Tasks are trained on the float32 encoder `minilm` and measured on it and on the int8 one; and they
are trained and measured on the int8 one, from the same seed. Each step is a process of its own.
After each task the results so far are written to `int8_quality.json` and `int8_quality.md` next to
this file.

Run it from the root of the repository, in an environment with polyhead and its extra `quickstart`:

    python benchmarks/speed/int8_quality.py --data-root ../shared/data
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))

from benchmarks import report  # noqa: E402  (found by the line above)
from benchmarks.speed import asked, results  # noqa: E402
from benchmarks.speed.asked import Asked, at_most  # noqa: E402

SETS = {
    "sst2": ("classification", "accuracy"),
    "trec6": ("classification", "accuracy"),
    "uner_ewt": ("tagging", "f1"),
}
"""For each set its kind of head and the figure that counts."""

PRECISIONS = ("int8", "bfloat16")
FLOAT32 = "float32"
MOST_LOST, MOST_LOST_TRAINED = 0.3, 0.1
POINTS = 100


@dataclass(frozen=True)
class Run:
    """One task, measured on dev.

    Attributes:
        name: The data set.
        seed: Of the training.
        trained: The encoder's precision in training.
        measured: Its precision in measuring.
        figure: Accuracy or F1, in points.
        metrics: All of them, of which the figure is one.
        wall_s: Seconds of the process.
    """

    name: str
    seed: int
    trained: str
    measured: str
    figure: float
    metrics: dict[str, float]
    wall_s: float


def run_one(
    what: str,
    name: str,
    seed: int,
    *,
    precisions: tuple[str, str],
    folder: Path,
    given: argparse.Namespace,
) -> Run:
    """Train a task, or measure one that was trained.

    Args:
        what: "train" or "measure".
        name: The data set.
        seed: Of the training.
        precisions: In training and in measuring.
        folder: Of the saved task.
        given: The command's options.

    Raises:
        RuntimeError: The process failed.
    """
    head, figure = SETS[name]
    report.progress(f"{name}, seed {seed}: {what}, {' then '.join(precisions)}")
    command = [sys.executable, "-P", str(HERE / "precision_task.py"), what, "--head", head]
    command += ["--data", str(given.data_root.resolve() / name), "--task", str(folder)]
    command += ["--precision", precisions[1], "--seed", str(seed)]
    for option in ("epochs", "limit"):
        if getattr(given, option) is not None:
            command += [f"--{option}", str(getattr(given, option))]
    done = report.run_process(
        command,
        cwd=folder.parent,
        environment={"OMP_NUM_THREADS": str(given.threads), "HF_HUB_OFFLINE": "1"},
    )
    metrics = json.loads(done.stdout)["metrics"]
    return Run(name, seed, *precisions, POINTS * metrics[figure], metrics, done.wall_s)


def runs_of(name: str, seed: int, scratch: Path, given: argparse.Namespace) -> list[Run]:
    """Train and measure a task in all ways; what fails is told and left out."""
    folders = {precision: scratch / precision for precision in (FLOAT32, *given.precisions)}
    wanted = [("train", (FLOAT32, FLOAT32))]
    for precision in given.precisions:
        wanted += [("measure", (FLOAT32, precision)), ("train", (precision, precision))]
    found = []
    for what, precisions in wanted:
        try:
            folder = folders[precisions[0]]
            run = run_one(what, name, seed, precisions=precisions, folder=folder, given=given)
            found.append(run)
        except RuntimeError as error:
            report.progress(f"left out: {error}")
    return found


def lost(runs: Sequence[Run], name: str, trained: str, measured: str) -> float | None:
    """Return the points that a way loses of float32, a mean over the seeds; None where unknown."""

    def mean(*way: str) -> float | None:
        found = [
            run.figure for run in runs if (run.name, run.trained, run.measured) == (name, *way)
        ]
        return statistics.fmean(found) if found else None

    best, figure = mean(FLOAT32, FLOAT32), mean(trained, measured)
    return None if best is None or figure is None else best - figure


def as_table(runs: Sequence[Run]) -> str:
    """Format a row for each set, training and measuring."""
    ways = dict.fromkeys((run.name, run.trained, run.measured) for run in runs)
    rows = []
    for name, trained, measured in ways:
        found = [
            run
            for run in runs
            if (run.name, run.trained, run.measured) == (name, trained, measured)
        ]
        points = lost(runs, name, trained, measured)
        rows.append(
            [
                f"{name}, {SETS[name][1]}: trained on {trained}",
                measured,
                f"{statistics.fmean(run.figure for run in found):.2f}",
                " ".join(f"{run.figure:.2f}" for run in found),
                "" if points is None else f"{points:+.2f}",
            ]
        )
    return report.table(["Task", "measured on", "points", "of each seed", "lost"], rows)


def figures(runs: Sequence[Run]) -> list[Asked]:
    """Return what was asked of this table."""
    (int8, _), found = PRECISIONS, []
    for name in dict.fromkeys(run.name for run in runs):
        for trained, most, words in (
            (FLOAT32, MOST_LOST, "points lost on int8"),
            (int8, MOST_LOST_TRAINED, "points lost by adapters trained on it"),
        ):
            found.append(at_most(f"{name}: {words}", most, lost(runs, name, trained, int8)))
    return found


def save(runs: Sequence[Run], given: argparse.Namespace) -> str:
    """Write the results of the runs so far; return the tables."""
    facts = results.surroundings(given.threads)
    met = figures(runs)
    epochs = "the recipe's epochs" if given.epochs is None else f"{given.epochs} epochs"
    part = "" if given.limit is None else f" The first {given.limit} examples of each part alone."
    note = (
        f"Encoder `minilm`, {epochs}, the best of them on dev; figures on dev, in points, means "
        f"over the seeds.{part} {given.note}"
    ).strip()
    tables = [as_table(runs), asked.as_table(met)]
    markdown = "\n\n".join([*tables, note, results.told(facts)]) + "\n"
    document = {
        "surroundings": facts,
        "command": "python benchmarks/speed/int8_quality.py",
        "epochs": given.epochs,
        "limit": given.limit,
        "asked": asked.as_results(met),
        "runs": [asdict(run) for run in runs],
    }
    report.write(HERE, document, markdown, name="int8_quality")
    return markdown


def parse_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data-root", type=Path, default=Path("../shared/data"))
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS), metavar="SET")
    parser.add_argument("--precisions", nargs="+", choices=PRECISIONS, default=["int8"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, default=3, help="0 for those of the recipe")
    parser.add_argument("--limit", type=int, help="examples of each part, for a quick look")
    parser.add_argument("--threads", type=int, default=report.cpu_count())
    parser.add_argument("--note", default="", help="what else there is to say, for the results")
    given = parser.parse_args()
    given.epochs = given.epochs or None
    for name in given.sets:
        if not (given.data_root / name / "train.jsonl").is_file():
            parser.error(f"{given.data_root / name} does not exist: see benchmarks/README.md")
    return given


def main() -> None:
    """Run everything asked for, saving after each task."""
    given = parse_options()
    runs: list[Run] = []
    for seed in given.seeds:
        for name in given.sets:
            with tempfile.TemporaryDirectory() as scratch:
                runs += runs_of(name, seed, Path(scratch), given)
            if runs:
                save(runs, given)
    if not runs:
        sys.exit("nothing could be measured.")
    print(save(runs, given))


if __name__ == "__main__":
    main()
