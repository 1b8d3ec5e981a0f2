"""How much memory do a thousand adapters take, and a batch?

Each figure is of a process of its own: what is resident with the backbone alone and with 1,000
`seq_bn` adapters, beside the bytes of their weights; and the most that is resident while more and
more texts are answered at once, in batches under the token budget. Writes `memory.json` and
`memory.md` next to this file.

Run it from the root of the repository, in the environment polyhead is installed in:

    python benchmarks/speed/memory.py
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))

from benchmarks import report  # noqa: E402  (found by the line above)
from benchmarks.speed import asked, results  # noqa: E402
from benchmarks.speed.asked import Asked, at_most  # noqa: E402

MOST_TIMES = 1.1
PRECISIONS = ("float32", "int8", "bfloat16")
TEXTS = (16, 64, 256, 1024)
MB = 1e6
Run = dict[str, Any]

WRITE_CHECKPOINT = """
import sys
from polyhead.distilbert import DistilBertModel
from polyhead.encoder import DistilBertConfig, Encoder
config = DistilBertConfig()
DistilBertModel(config, encoder=Encoder(config)).save_pretrained(sys.argv[1])
"""


def stage(what: str, precision: str, count: int, folder: Path, threads: int) -> Run:
    """Measure once, in a process of its own.

    Raises:
        RuntimeError: It failed.
    """
    script = str(HERE / "memory_stages.py")
    command = [sys.executable, "-P", script, what, "--folder", str(folder)]
    command += ["--precision", precision, "--count", str(count)]
    environment = {"OMP_NUM_THREADS": str(threads)}
    done = report.run_process(command, cwd=folder, environment=environment)
    found: Run = json.loads(done.stdout)
    return {"what": what, "precision": precision, "count": count} | found


def measure(given: argparse.Namespace) -> list[Run]:
    """Run every stage some times, in turns; one that fails is told and left out."""
    found = []
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        command = [sys.executable, "-P", "-c", WRITE_CHECKPOINT, str(folder)]
        report.run_process(command, cwd=folder)
        for number in range(given.rounds):
            report.progress(f"round {number + 1} of {given.rounds}")
            for precision in given.precisions:
                wanted = [("resident", given.resident), *(("batches", n) for n in given.texts)]
                for what, count in wanted:
                    try:
                        found.append(stage(what, precision, count, folder, given.threads))
                    except RuntimeError as error:
                        report.progress(f"left out: {error}")
    return found


def medians(runs: Sequence[Run]) -> list[Run]:
    """Reduce the runs to medians, one for each stage."""
    groups: dict[tuple[str, str, int], list[Run]] = {}
    for run in runs:
        groups.setdefault((run["what"], run["precision"], run["count"]), []).append(run)
    names = ("what", "precision", "count")
    return [
        dict(zip(names, key, strict=True))
        | {
            name: statistics.median(run[name] for run in group)
            for name in group[0]
            if name not in names
        }
        for key, group in groups.items()
    ]


def times_weights(run: Mapping[str, Any]) -> float:
    """Return what adapters added to the process, as a multiple of their weights' bytes."""
    times: float = (run["used"] - run["backbone"]) / run["weights"]
    return times


def resident_table(found: Sequence[Run]) -> str:
    """Format what is resident with each precision."""
    header = ["Precision", "backbone", "adapters", "their weights", "with them", "times weights"]
    rows = [
        [
            run["precision"],
            f"{run['backbone'] / MB:.0f} MB",
            f"{run['count']:,} {'seq_bn'}",
            f"{run['weights'] / MB:.0f} MB",
            f"{run['used'] / MB:.0f} MB",
            f"{times_weights(run):.3f}",
        ]
        for run in found
        if run["what"] == "resident"
    ]
    return report.table(header, rows)


def batches_table(found: Sequence[Run]) -> str:
    """Format the most that was held while texts were answered."""
    header = ["Precision, texts at once", "tokens", "budgets of tokens", "most held above rest"]
    rows = [
        [
            f"{run['precision']}, {run['count']:,}",
            f"{run['tokens']:,.0f}",
            f"{run['tokens'] / run['budget']:.1f}",
            f"{(run['peak'] - run['before']) / MB:.0f} MB",
        ]
        for run in found
        if run["what"] == "batches"
    ]
    return report.table(header, rows)


def figures(found: Sequence[Run]) -> list[Asked]:
    """Return what was asked of this table."""
    times = [
        times_weights(run)
        for run in found
        if run["what"] == "resident" and run["precision"] == PRECISIONS[0]
    ]
    return [
        at_most(
            "what adapters add, float32, times their bytes", MOST_TIMES, times[0] if times else None
        )
    ]


def parse_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--resident", type=int, default=1000, help="adapters in one model")
    parser.add_argument("--texts", type=int, nargs="+", default=list(TEXTS))
    parser.add_argument("--precisions", nargs="+", default=list(PRECISIONS), choices=PRECISIONS)
    parser.add_argument("--threads", type=int, default=report.cpu_count())
    parser.add_argument("--note", default="", help="what else there is to say, for the results")
    given = parser.parse_args()
    if min(given.rounds, given.resident, *given.texts) < 1:
        parser.error("--rounds, --resident and --texts take 1 or more")
    return given


def main() -> None:
    """Measure, write the results, print the tables."""
    given = parse_options()
    runs = measure(given)
    if not runs:
        sys.exit("nothing could be measured.")
    found = medians(runs)
    met = figures(found)
    note = (
        f"Resident set of a process of its own, medians of {given.rounds}, freed memory given back "
        "to the system before each look. `backbone`: "
        "DistilBERT-base with random weights, loaded and called once, Python and torch included. "
        "`most held above rest`: the largest resident set during the call less that before it. "
        f"{given.note}"
    ).strip()
    facts = results.surroundings(given.threads)
    tables = [resident_table(found), batches_table(found), asked.as_table(met)]
    markdown = "\n\n".join([*tables, note, results.told(facts)]) + "\n"
    document = {
        "surroundings": facts,
        "command": f"python benchmarks/speed/memory.py --rounds {given.rounds} "
        f"--resident {given.resident} --threads {given.threads}",
        "asked": asked.as_results(met),
        "medians": found,
        "runs": runs,
    }
    report.write(HERE, document, markdown, name="memory")
    print(markdown)


if __name__ == "__main__":
    main()
