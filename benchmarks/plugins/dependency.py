"""Train `polyhead-dependency` and AdapterHub's parsing head on the same trees: which parses better?

Sides: `adapters` 1.3 with its own head (`dependency_peer.py`); polyhead under the same budget, with
our default head and with a head like AdapterHub's; and with the recipe of our head, which is what
`polyhead train` does where nothing is said. Each training is a process of its own. After every run
the results so far are written to `dependency.json` and `dependency.md` next to this file.

Run it from the root of the repository, in an environment with polyhead, its extra `quickstart`, and
`plugins/polyhead-dependency`:

    python benchmarks/plugins/dependency.py --peer-python ../peers/bin/python
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
from benchmarks.classification.run import find_encoder  # noqa: E402
from benchmarks.quality import measured, plans  # noqa: E402
from benchmarks.quality.measured import Run  # noqa: E402
from benchmarks.quality.plans import ADAPTERS, BUDGET, RECIPE, Plan  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Sequence

SET = "ud_ewt"
PEER_HEAD = "budget, peer's head"
SIDES = {
    ADAPTERS: "adapters 1.3",
    PEER_HEAD: "polyhead, same budget, a head like theirs",
    BUDGET: "polyhead, same budget",
    RECIPE: "polyhead, recipe",
}
LIKE_THEIRS = (
    "dependency[hidden=last,pooling=mean,context=0,arc_width=0,relation_width=0,dropout=0.1,"
    "decoding=greedy]"
)
PEER_SCRIPT = "dependency_peer.py"
DECODING_SCRIPT = "dependency_decoding.py"


def command_of(side: str, folders: dict[str, Path | str]) -> list[str]:
    """Return the command of a side, but for the seed.

    Args:
        side: One of `SIDES`.
        folders: Those of "data", "encoder" and "output", and the programs "python" and "peer".
    """
    head = LIKE_THEIRS if side == PEER_HEAD else "dependency"
    plan = Plan(SET, head, ("las", "uas"), peer_kind="dependency")
    if side == ADAPTERS:
        script = folders["script"]
        return plans.peer_command(
            plan, folders["peer"], script, folders["data"], folders["encoder"]
        )
    budget = RECIPE if side == RECIPE else BUDGET
    return plans.our_command(
        plan, budget, str(folders["python"]), folders["data"], folders["output"]
    )


def run_one(side: str, seed: int, given: argparse.Namespace) -> Run:
    """Train one side once, in a fresh process and a fresh folder.

    Raises:
        RuntimeError: The process failed.
        ValueError: What it printed is not complete.
    """
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "task"
        folders = {
            "data": given.data_root.resolve() / SET,
            "encoder": find_encoder(),
            "output": output,
            "python": sys.executable,
            "peer": given.peer_python.absolute(),
            "script": HERE / PEER_SCRIPT,
        }
        finished = report.run_process(
            [*command_of(side, folders), "--seed", str(seed)],
            cwd=Path(folder),
            environment={"OMP_NUM_THREADS": str(given.threads), "HF_HUB_OFFLINE": "1"},
        )
        if side == ADAPTERS:
            return measured.peer_run(SET, finished.stdout)
        return measured.our_run(
            *(side, SET, seed),
            threads=given.threads,
            finished=finished,
            output=output,
            facts={"decodings": measured_decodings(folders, given.threads)},
        )


def measured_decodings(folders: dict[str, Path | str], threads: int) -> dict[str, Any]:
    """Return what the trained parser gives under each way of decoding."""
    command = [
        *(str(folders["python"]), "-P", str(HERE / DECODING_SCRIPT)),
        *("--task", str(folders["output"]), "--data", f"{folders['data']}/dev.jsonl"),
    ]
    finished = report.run_process(
        command,
        cwd=Path(folders["output"]).parent,
        environment={"OMP_NUM_THREADS": str(threads), "HF_HUB_OFFLINE": "1"},
    )
    found: dict[str, Any] = json.loads(finished.stdout)
    return found


def decoding_table(runs: Sequence[Run]) -> str:
    """Format what trees add: a row for each side and decoding, of the lowest seed."""
    rows = []
    for side, title in SIDES.items():
        of_side = sorted(
            (run for run in runs if run.side == side and run.facts.get("decodings")),
            key=lambda run: run.seed,
        )
        for decoding, found in of_side[0].facts["decodings"].items() if of_side else ():
            cells = [f"{found['las']:.3f}", f"{found['uas']:.3f}", f"{found['cpu_s']:.1f} s"]
            rows.append([f"{title}, {decoding}", *cells])
    return report.table(["Side, decoding", "LAS", "UAS", "CPU time"], rows)


def as_table(summary: dict[str, dict[str, Any]]) -> str:
    """Format one row for each side."""
    header = ["Side", "LAS", "UAS", "LAS, last epoch", "time", "seeds"]
    rows = []
    for side, title in SIDES.items():
        found = summary.get(side)
        if found is None:
            continue
        figures = [found["best"]["las"], found["best"]["uas"], found["last"]["las"]]
        time = f"{found['wall_mean_s']:.0f} s (CPU {found['cpu_mean_s']:.0f} s)"
        seeds = " ".join(str(seed) for seed in found["seeds"])
        rows.append([title, *(f"{figure:.3f}" for figure in figures), time, seeds])
    return report.table(header, rows)


def commands_as_text() -> dict[str, str]:
    """Return every command with names in the places of folders, for the results."""
    folders: dict[str, Path | str] = {
        "data": f"DATA/{SET}",
        "encoder": "ENCODER",
        "output": f"TMP/{SET}",
        "python": "python",
        "peer": "PEER_PYTHON",
        "script": f"benchmarks/plugins/{PEER_SCRIPT}",
    }
    return {side: " ".join([*command_of(side, folders), "--seed", "SEED"]) for side in SIDES}


def save(runs: Sequence[Run]) -> str:
    """Write the results of the runs so far and return the table."""
    facts = report.surroundings() | {"polyhead-dependency": report.installed("polyhead-dependency")}
    peer_versions = [run.facts["versions"] for run in runs if run.side == ADAPTERS]
    peer = ", ".join(f"{key} {value}" for key, value in (peer_versions or [{}])[-1].items())
    summary = measured.summarise(runs).get(SET, {})
    threads = " ".join(str(number) for number in sorted({run.threads for run in runs}))
    note = (
        "Dev of ud_ewt: all words count, punctuation too, and a relation with its subtype. The "
        "epoch with the best LAS, means over the seeds; times are those of the whole run, and the "
        f"processor time it took. Threads: {threads}.\n\n"
        f"{report.describe(facts)[:-1]}, polyhead-dependency {facts['polyhead-dependency']}. "
        f"Peer: {peer or 'none'}."
    )
    document = {
        "surroundings": facts,
        "peer_versions": peer,
        "command": "python benchmarks/plugins/dependency.py --peer-python PEER_PYTHON",
        "commands": commands_as_text(),
        "summary": summary,
        "runs": [asdict(run) for run in runs],
    }
    markdown = (
        f"{as_table(summary)}\n\nThe same weights under each way of decoding (lowest "
        "seed), and the time of the whole evaluation:\n\n"
        f"{decoding_table(runs)}\n\n{note}\n"
    )
    report.write(HERE, document, markdown, name="dependency")
    return markdown


def earlier_runs() -> list[Run]:
    """Return the runs in dependency.json; the caller sees to it that the machine is the same."""
    path = HERE / "dependency.json"
    if not path.exists():
        return []
    return [Run(**run) for run in json.loads(path.read_text(encoding="utf-8"))["runs"]]


def parse_options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data-root", type=Path, default=Path("../shared/data"))
    parser.add_argument("--peer-python", type=Path, default=Path("../peers/bin/python"))
    parser.add_argument(
        "--peer-run", type=Path, help=f"what {PEER_SCRIPT} printed before, in place of a new run"
    )
    parser.add_argument("--sides", nargs="+", choices=SIDES, default=list(SIDES))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--threads", type=int, default=report.cpu_count())
    parser.add_argument("--add", action="store_true", help="keep the runs in dependency.json")
    given = parser.parse_args(arguments)
    needed = [given.data_root / SET]
    if ADAPTERS in given.sides:
        needed.append(given.peer_run or given.peer_python)
    for path in needed:
        if not path.exists():
            parser.error(f"{path} does not exist: see benchmarks/README.md")
    return given


def main() -> None:
    """Run everything asked for, saving after each run; a run that fails is told and left out."""
    given = parse_options()
    sides = list(given.sides)
    runs = {run.key(): run for run in (earlier_runs() if given.add else [])}
    if given.peer_run is not None:
        run = measured.peer_run(SET, given.peer_run.read_text(encoding="utf-8"))
        runs[run.key()] = run
        sides = [side for side in sides if side != ADAPTERS]
    for seed in given.seeds:
        for side in sides:
            report.progress(f"{SET}, seed {seed}: {SIDES[side]}")
            try:
                run = run_one(side, seed, given)
            except (RuntimeError, ValueError) as error:
                report.progress(str(error))
                continue
            runs[run.key()] = run
            save(list(runs.values()))
    print(save(list(runs.values())))


if __name__ == "__main__":
    main()
