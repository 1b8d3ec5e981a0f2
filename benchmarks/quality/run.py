"""Train every kind of head with polyhead and with AdapterHub `adapters`: what do they learn?

Three sides: `adapters` 1.3; polyhead under the same budget; and polyhead with the recipe of the
kind of head, which is what `polyhead train` does where nothing is said. Each training is a process
of its own. After every run the results so far are written to `results.json` and `results.md` next
to this file.

Run it from the root of the repository, in the environment polyhead is installed in:

    python benchmarks/quality/run.py --peer-python ../peers/bin/python
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))

from benchmarks import report  # noqa: E402  (found by the line above)
from benchmarks.classification.run import find_encoder  # noqa: E402
from benchmarks.quality import measured, plans, text_blocks  # noqa: E402
from benchmarks.quality.measured import Run  # noqa: E402
from benchmarks.quality.plans import ADAPTERS, PLANS, SIDES, Plan  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Sequence

PEER_SCRIPT = "peer_adapters.py"
PARTS = ("train", "dev")


@dataclass(frozen=True)
class Options:
    """What to run, and with what.

    Attributes:
        data_root: Folder of the data sets.
        peer_python: Python of the environment with `adapters`.
        peer_runs: Folder with the output of earlier runs of the peer, one `NAME.jsonl` a plan,
            taken in the place of new ones.
        sets: Names of plans.
        sides: Which sides to run.
        seeds: Seeds, the same for all sides.
        threads: Value of `OMP_NUM_THREADS` for all sides.
        adds: Whether the runs join those of an earlier call; a run made again takes its place.
    """

    data_root: Path
    peer_python: Path
    peer_runs: Path | None
    sets: tuple[str, ...]
    sides: tuple[str, ...]
    seeds: tuple[int, ...]
    threads: int
    adds: bool

    def environment(self) -> dict[str, str]:
        """Return the variables that every side runs with."""
        return {"OMP_NUM_THREADS": str(self.threads), "HF_HUB_OFFLINE": "1"}

    @cached_property
    def encoder(self) -> Path:
        """The encoder's folder, for the peer and for cutting texts."""
        return find_encoder()


def data_folder(plan: Plan, options: Options, scratch: Path) -> Path:
    """Return the folder of a plan's data, cut into blocks in `scratch` where it asks for that."""
    source = options.data_root.resolve() / plan.data
    if not plan.blocks:
        return source
    folder = scratch / "data"
    folder.mkdir()
    for part in PARTS:
        write_blocks(source / f"{part}.jsonl", folder / f"{part}.jsonl", plan, options.encoder)
    return folder


def write_blocks(source: Path, target: Path, plan: Plan, encoder: Path) -> None:
    """Cut the texts of a file into blocks of the plan's length."""
    from tokenizers import Tokenizer  # noqa: PLC0415  (the help needs none of it)

    tokenizer = Tokenizer.from_file(str(encoder / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()

    def count_pieces(words: Sequence[str]) -> list[int]:
        return [len(found) for found in tokenizer.encode_batch(words, add_special_tokens=False)]

    lines = source.read_text(encoding="utf-8").splitlines()
    texts = [json.loads(line)["text"] for line in lines]
    blocks = text_blocks.cut_all(texts, plan.max_length, count_pieces)
    target.write_text("".join(json.dumps({"text": block}) + "\n" for block in blocks), "utf-8")


def run_peer(name: str, seed: int, options: Options, scratch: Path) -> Run:
    """Train with `adapters`."""
    plan = PLANS[name]
    data = options.data_root.resolve() / plan.data  # it cuts blocks by itself
    script = HERE / PEER_SCRIPT
    python = options.peer_python.absolute()
    command = [
        *plans.peer_command(plan, python, script, data, options.encoder),
        "--seed",
        str(seed),
    ]
    finished = report.run_process(command, cwd=scratch, environment=options.environment())
    return measured.peer_run(name, finished.stdout)


def run_ours(name: str, side: str, seed: int, options: Options, scratch: Path) -> Run:
    """Train with polyhead, or measure what has nothing to learn."""
    plan = PLANS[name]
    data, output = data_folder(plan, options, scratch), scratch / "task"
    if plan.trains:
        command = plans.our_command(plan, side, sys.executable, data, output)
        command += ["--seed", str(seed)]
    else:
        command = zero_shot_command(plan, sys.executable, HERE / "zero_shot.py", data)
    finished = report.run_process(command, cwd=scratch, environment=options.environment())
    if plan.trains:
        return measured.our_run(
            *(side, name, seed),
            threads=options.threads,
            finished=finished,
            output=output,
        )
    best = json.loads(finished.stdout)["metrics"]
    times = {"wall_s": finished.wall_s, "cpu_s": finished.cpu_s}
    return Run(
        side, name, seed, options.threads, **times, best=best, last=best, epochs=[], facts={}
    )


def zero_shot_command(plan: Plan, python: str, script: Path | str, data: Path | str) -> list[str]:
    """Return the command that measures a head that has nothing to learn."""
    return [*(python, "-P", str(script)), *("--head", plan.head), *("--data", f"{data}/dev.jsonl")]


def run_one(name: str, side: str, seed: int, options: Options) -> Run:
    """Run one side once, in a fresh process and a fresh folder.

    Raises:
        RuntimeError: The process failed.
        ValueError: What it printed is not complete.
    """
    with tempfile.TemporaryDirectory() as folder:
        if side == ADAPTERS:
            return run_peer(name, seed, options, Path(folder))
        return run_ours(name, side, seed, options, Path(folder))


def import_peer_runs(folder: Path, names: Sequence[str]) -> list[Run]:
    """Read the peer's earlier runs of these plans; what is not there or not finished is left out.

    Raises:
        ValueError: A run was made with other settings than this benchmark's.
    """
    runs = []
    for name in names:
        path = folder / f"{name}.jsonl"
        if ADAPTERS not in PLANS[name].sides():
            continue
        try:
            lines = path.read_text(encoding="utf-8")
            run = measured.peer_run(name, lines)
        except (OSError, ValueError) as error:
            report.progress(f"{name}: no run of {ADAPTERS} to import ({error})")
            continue
        check_settings(name, measured.parse_events(lines)[0]["command"])
        runs.append(run)
    return runs


def check_settings(name: str, given: Sequence[str]) -> None:
    """Refuse a run whose options, but for folders and the seed, are not those of the plan.

    Raises:
        ValueError: It has other options.
    """
    expected = plans.peer_command(PLANS[name], "", "", "", "")[3:]
    if _settings(given) != _settings(expected):
        raise ValueError(f"{name} was run with {list(given)}, and not with {expected}")


def _settings(arguments: Sequence[str]) -> dict[str, str]:
    default = plans.peer_command(Plan("", "", (), ""), "", "", "", "")
    both = [*default[3:], "", *arguments]
    found = {
        option: "" if value.startswith("--") else value
        for option, value in zip(both, [*both[1:], ""], strict=True)
        if option.startswith("--")
    }
    ignored = {"--data", "--encoder", "--seed"}
    return {option: value for option, value in found.items() if option not in ignored}


def commands_as_text() -> dict[str, dict[str, str]]:
    """Return every command with names in the places of folders, for the results."""
    folder = "benchmarks/quality"
    commands: dict[str, dict[str, str]] = {}
    for name, plan in PLANS.items():
        data = f"BLOCKS/{plan.data}" if plan.blocks else f"DATA/{plan.data}"
        for side in plan.sides():
            if side == ADAPTERS:
                script = f"{folder}/{PEER_SCRIPT}"
                command = plans.peer_command(
                    plan, "PEER_PYTHON", script, f"DATA/{plan.data}", "ENCODER"
                )
            elif plan.trains:
                command = plans.our_command(plan, side, "python", data, f"TMP/{plan.data}")
            else:
                command = zero_shot_command(plan, "python", f"{folder}/zero_shot.py", data)
            seed = ["--seed", "SEED"] if plan.trains else []
            commands.setdefault(name, {})[side] = " ".join([*command, *seed])
    return commands


def save(runs: Sequence[Run]) -> str:
    """Write the results of the runs so far and return the table."""
    facts = report.surroundings()
    peer_versions = [run.facts["versions"] for run in runs if run.side == ADAPTERS]
    peer = ", ".join(f"{key} {value}" for key, value in (peer_versions or [{}])[-1].items())
    summary = measured.summarise(runs)
    document: dict[str, Any] = {
        "surroundings": facts,
        "peer_versions": peer,
        "commands": commands_as_text(),
        "summary": summary,
        "runs": [asdict(run) for run in runs],
    }
    note = (
        "Figures are those of the best epoch on dev, means over the seeds; times are those of "
        "the whole run, and the processor time it took. "
        f"{measured.threads_and_seeds(runs)}\n\n{report.describe(facts)} Peer: {peer or 'none'}."
    )
    markdown = f"{measured.as_table(summary)}\n\n{note}\n"
    report.write(HERE, document, markdown)
    return markdown


def joined(runs: Sequence[Run], more: Sequence[Run]) -> list[Run]:
    """Return all runs, a later one in the place of an earlier one of the same side and seed."""
    return list({run.key(): run for run in (*runs, *more)}.values())


def earlier_runs() -> list[Run]:
    """Return the runs in results.json; the caller sees to it that the machine is the same."""
    path = HERE / "results.json"
    if not path.exists():
        return []
    return [Run(**run) for run in json.loads(path.read_text(encoding="utf-8"))["runs"]]


def parse_options(arguments: Sequence[str] | None = None) -> Options:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data-root", type=Path, default=Path("../shared/data"))
    parser.add_argument("--peer-python", type=Path, default=Path("../peers/bin/python"))
    parser.add_argument(
        "--peer-runs", type=Path, help=f"folder with NAME.jsonl, what {PEER_SCRIPT} printed before"
    )
    parser.add_argument("--sets", nargs="+", choices=PLANS, default=list(PLANS), metavar="SET")
    parser.add_argument("--sides", nargs="+", choices=SIDES, default=list(SIDES))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--threads", type=int, default=report.cpu_count())
    parser.add_argument("--add", action="store_true", help="keep the runs that are in results.json")
    given = parser.parse_args(arguments)
    needed = [given.data_root / PLANS[name].data for name in given.sets]
    if ADAPTERS in given.sides and given.peer_runs is None:
        needed.append(given.peer_python)
    elif given.peer_runs is not None:
        needed.append(given.peer_runs)
    for path in needed:
        if not path.exists():
            parser.error(f"{path} does not exist: see benchmarks/README.md")
    return Options(
        data_root=given.data_root,
        peer_python=given.peer_python,
        peer_runs=given.peer_runs,
        sets=tuple(given.sets),
        sides=tuple(given.sides),
        seeds=tuple(given.seeds),
        threads=given.threads,
        adds=given.add,
    )


def main() -> None:
    """Run everything asked for, saving after each run; a run that fails is told and left out."""
    options = parse_options()
    runs = earlier_runs() if options.adds else []
    sides = options.sides
    if options.peer_runs is not None:
        runs = joined(runs, import_peer_runs(options.peer_runs, options.sets))
        sides = tuple(side for side in sides if side != ADAPTERS)
    failed = []
    for seed in options.seeds:
        for name in options.sets:
            for side in (side for side in PLANS[name].sides() if side in sides):
                report.progress(f"{name}, seed {seed}: {side}")
                try:
                    run = run_one(name, side, seed, options)
                except (RuntimeError, ValueError) as error:
                    report.progress(str(error))
                    failed.append(f"{name} ({side}, seed {seed})")
                    continue
                runs = joined(runs, [run])
                save(runs)
    print(save(runs))
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
