"""Does AdapterFusion of three trained adapters help with a fourth task that has little data?

Adapters for sst2, cola and stsb are trained first. Then the first texts of trec6 are learned: by a
head over each of them as it is, by a head over a fusion of all three (whose own weights learn,
while the three are held), by a head alone, and by a head with an adapter of its own. Every training
is a process of its own. After every run the results so far are written to `results.json` and
`results.md` next to this file.

Run it from the root of the repository, in the environment polyhead is installed in:

    python benchmarks/fusion/run.py --data-root ../shared/data
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

if TYPE_CHECKING:
    from collections.abc import Sequence

SOURCES = {"sst2": "classification", "cola": "classification", "stsb": "regression"}
"""The tasks whose adapters are there already, with their kinds of heads."""

TARGET = "trec6"
FUSED = ", ".join(repr(name) for name in SOURCES)
SIDES = {
    **{name: ["--adapter", name, "--hold", name] for name in SOURCES},
    "fusion of the three": ["--adapter", f"Fuse({FUSED})"],
    "head alone": ["--adapter", "none"],
    "new seq_bn": ["--adapter", "seq_bn"],
}
"""For each side its adapter."""

SOURCE_BUDGET = ["--epochs", "3", "--lr", "1e-3", "--head-lr", "1e-3", "--adapter", "seq_bn"]
TARGET_BUDGET = ["--epochs", "20", "--lr", "1e-3", "--head-lr", "1e-3"]
SHARED = ["--batch-size", "32", "--max-length", "128", "--backbone", "minilm", "--json"]


def source_command(name: str, data: Path | str, output: Path | str, python: str) -> list[str]:
    """Return the command that trains one of the adapters that are there already."""
    return [
        *(python, "-m", "polyhead", "train", "--task", name, "--head", SOURCES[name]),
        *("--data", f"{data}/{name}/train.jsonl", "--eval", f"{data}/{name}/dev.jsonl"),
        *("--output", f"{output}/{name}", *SOURCE_BUDGET, *SHARED, "--seed", "0"),
    ]


def target_command(
    side: str, data: Path | str, sources: Path | str, output: Path | str, python: str
) -> list[str]:
    """Return the command that trains a side, but for the seed."""
    beside = [part for name in SOURCES for part in ("--with", f"{sources}/{name}")]
    return [
        *(python, "-m", "polyhead", "train", "--task", TARGET, "--head", "classification"),
        *("--data", f"{data}/few.jsonl", "--eval", f"{data}/dev.jsonl"),
        *("--output", str(output), *SIDES[side], *beside, *TARGET_BUDGET, *SHARED),
    ]


def run_command(command: Sequence[str], given: argparse.Namespace) -> report.Finished:
    """Run a training in a process of its own, outside the repository."""
    environment = {"OMP_NUM_THREADS": str(given.threads), "HF_HUB_OFFLINE": "1"}
    with tempfile.TemporaryDirectory() as folder:
        return report.run_process(command, cwd=Path(folder), environment=environment)


def run_one(side: str, seed: int, scratch: Path, given: argparse.Namespace) -> Run:
    """Train one side once.

    Raises:
        RuntimeError: The process failed.
    """
    output = scratch / f"target-{seed}-{list(SIDES).index(side)}"
    command = target_command(side, scratch / TARGET, scratch, output, sys.executable)
    finished = run_command([*command, "--seed", str(seed)], given)
    return measured.our_run(
        *(side, TARGET, seed), threads=given.threads, finished=finished, output=output
    )


def prepare(scratch: Path, given: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Train the adapters that are there already, cut the target; return their figures."""
    data = given.data_root.resolve()
    figures = {}
    for name in SOURCES:
        report.progress(f"{name}: training its adapter")
        finished = run_command(source_command(name, data, scratch, sys.executable), given)
        figures[name] = json.loads(finished.stdout)["metrics"]
    target = scratch / TARGET
    target.mkdir()
    lines = (data / TARGET / "train.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    (target / "few.jsonl").write_text("".join(lines[: given.texts]), encoding="utf-8")
    dev = (data / TARGET / "dev.jsonl").read_text(encoding="utf-8")
    (target / "dev.jsonl").write_text(dev, encoding="utf-8")
    return figures


def as_table(runs: Sequence[Run]) -> str:
    """Format one row for each side."""
    rows = []
    for side in SIDES:
        found = [run for run in runs if run.side == side]
        if found:
            best, last, f1 = (
                sum(figures) / len(found)
                for figures in (
                    [run.best["accuracy"] for run in found],
                    [run.last["accuracy"] for run in found],
                    [run.best["macro_f1"] for run in found],
                )
            )
            each = " ".join(f"{run.best['accuracy']:.3f}" for run in found)
            cpu_s = sum(run.cpu_s for run in found) / len(found)
            rows.append([side, f"{best:.3f}", each, f"{last:.3f}", f"{f1:.3f}", f"{cpu_s:.0f} s"])
    header = ["Side", "accuracy", "of each seed", "last epoch", "macro F1", "CPU time"]
    return report.table(header, rows)


def save(runs: Sequence[Run], sources: dict[str, dict[str, float]], n_texts: int) -> str:
    """Write the results of the runs so far and return the table."""
    facts = report.surroundings()
    trained = ", ".join(
        f"{name} {next(iter(figures))} {next(iter(figures.values())):.3f}"
        for name, figures in sources.items()
    )
    threads = " ".join(str(number) for number in sorted({run.threads for run in runs}))
    note = (
        f"{TARGET}, its first {n_texts} training texts; figures on dev, of the epoch that is best "
        f"there and of the last one, means over the seeds. The adapters held: {trained}. "
        f"Threads: {threads}.\n\n{report.describe(facts)}"
    )
    document: dict[str, Any] = {
        "surroundings": facts,
        "command": "python benchmarks/fusion/run.py",
        "commands": {
            **{name: " ".join(source_command(name, "DATA", "TMP", "python")) for name in SOURCES},
            **{
                side: " ".join(
                    [*target_command(side, "TMP", "TMP", "TMP/target", "python"), "--seed", "SEED"]
                )
                for side in SIDES
            },
        },
        "sources": sources,
        "texts": n_texts,
        "runs": [asdict(run) for run in runs],
    }
    markdown = f"{as_table(runs)}\n\n{note}\n"
    report.write(HERE, document, markdown)
    return markdown


def parse_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data-root", type=Path, default=Path("../shared/data"))
    parser.add_argument("--texts", type=int, default=500, help="training texts of the fourth task")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--threads", type=int, default=report.cpu_count())
    given = parser.parse_args()
    for name in (*SOURCES, TARGET):
        if not (given.data_root / name).exists():
            parser.error(f"{given.data_root / name} does not exist: see benchmarks/README.md")
    return given


def main() -> None:
    """Run everything, saving after each run."""
    given = parse_options()
    runs: list[Run] = []
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        sources = prepare(scratch, given)
        for seed in given.seeds:
            for side in SIDES:
                report.progress(f"seed {seed}: {side}")
                runs.append(run_one(side, seed, scratch, given))
                save(runs, sources, given.texts)
    print(save(runs, sources, given.texts))


if __name__ == "__main__":
    main()
