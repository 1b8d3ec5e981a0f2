"""How `polyhead serve` bears load, beside what a user would otherwise put before these tasks.

Writes `results.json`, `results.md` and `results.svg` next to this file. Run it from the root of the
repository, in the environment polyhead is installed in, on a machine with nothing else to do:

    python benchmarks/serve/run.py --peer-python ../peers/bin/python \
        --infinity ../infinity/bin/infinity_emb
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))

from benchmarks import report  # noqa: E402  (found by the line above)
from benchmarks.serve import (  # noqa: E402
    alone,
    charts,
    contenders,
    materials,
    pressure,
    residency,
    results,
    saturation,
)
from benchmarks.serve.bench import Bench, Plan  # noqa: E402
from benchmarks.serve.contenders import OURS, Place  # noqa: E402
from benchmarks.serve.loading import Loader  # noqa: E402
from benchmarks.serve.servers import ServerError  # noqa: E402
from benchmarks.speed import load  # noqa: E402
from benchmarks.speed.sides import REQUIREMENTS, SideError, peer_versions  # noqa: E402

PHASES: Mapping[str, Callable[[Bench], dict[str, Any]]] = {
    "alone": alone.lone,
    "saturation": saturation.saturation,
    "steady": pressure.steady,
    "overload": pressure.overload,
    "swapping": residency.swapping,
    "stored": residency.stored,
    "starting": alone.starting,
}
SHAPES = ("distilbert", "small", "tiny")
SERVING = ("torch", "transformers", "adapters", "litserve", "fastapi", "uvicorn")
INFINITY = ("torch", "transformers", "infinity_emb")
OF_INFINITY = "benchmarks/infinity-requirements.txt"
SHORT = Plan(
    rounds=1,
    seconds=2,
    steady_s=3,
    overload_s=3,
    idle_s=2,
    n_texts=64,
    n_lone=5,
    n_stored=12,
    n_resident=4,
    n_swaps=4,
    n_starts=1,
)
"""To see whether everything works; its figures mean nothing."""


def parse_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--peer-python", type=Path, help="of the environment of the peers")
    parser.add_argument("--infinity", type=Path, help="the program infinity_emb")
    parser.add_argument("--only", nargs="+", choices=PHASES, default=list(PHASES), metavar="PHASE")
    parser.add_argument("--sides", nargs="+", metavar="SIDE", help="other servers; all by default")
    parser.add_argument("--add", action="store_true", help="keep other phases of the last run")
    parser.add_argument("--tasks", type=int, default=100)
    parser.add_argument("--stored", type=int, default=Plan.n_stored, help="tasks on disk")
    parser.add_argument("--resident", type=int, default=Plan.n_resident, help="of these in memory")
    parser.add_argument("--infinity-tasks", type=int, default=8, help="models that infinity loads")
    parser.add_argument("--rounds", type=int, default=Plan.rounds)
    parser.add_argument("--seconds", type=float, default=Plan.seconds, help="of a point")
    parser.add_argument("--steady-seconds", type=float, default=Plan.steady_s)
    parser.add_argument("--threads", type=int, default=report.cpu_count(), help="of each server")
    parser.add_argument("--patience", type=float, default=load.LIMIT_S, help="for a quiet machine")
    parser.add_argument("--shape", choices=SHAPES, default="distilbert")
    parser.add_argument("--folder", type=Path, help="keep what is loaded here, for other runs")
    parser.add_argument("--out", type=Path, default=HERE, help="folder of the results")
    parser.add_argument("--try", action="store_true", dest="is_try", help="seconds of everything")
    parser.add_argument(
        "--fake", action="store_true", help="in place of ours one that computes nothing"
    )
    parser.add_argument("--note", default="", help="what else there is to say, for the results")
    given = parser.parse_args()
    if min(given.tasks, given.rounds, given.resident, given.threads) < 1:
        parser.error("--tasks, --rounds, --resident and --threads take at least 1")
    if given.stored <= given.resident:
        parser.error("--stored takes more than --resident")
    if (given.is_try or given.fake) and given.out == HERE:
        parser.error("--try and --fake take an --out: their figures are not for results to keep")
    return given


def plan_of(given: argparse.Namespace) -> Plan:
    """Return how much is measured."""
    if given.is_try:
        return SHORT
    return Plan(
        rounds=given.rounds,
        seconds=given.seconds,
        steady_s=given.steady_seconds,
        n_stored=given.stored,
        n_resident=given.resident,
    )


def lineup_of(given: argparse.Namespace, place: Place) -> dict[str, contenders.Contender]:
    """Return who takes part.

    Raises:
        ServerError: There is no side of that name.
    """
    found = contenders.lineup(place)
    if given.fake:
        found[OURS] = contenders.fake(place)
    wanted = found if given.sides is None else [OURS, *given.sides]
    unknown = [name for name in wanted if name not in found]
    if unknown:
        raise ServerError(
            f"no side {', '.join(unknown)}; there are {', '.join(found)}. Those of the peers take "
            "--peer-python, infinity takes --infinity."
        )
    return {name: found[name] for name in found if name in wanted}


def versions_of(given: argparse.Namespace) -> dict[str, str]:
    """Return the versions of the peers.

    Raises:
        SideError: An environment lacks one of them.
    """
    found: dict[str, str] = {}
    if given.peer_python is not None:
        found |= peer_versions(given.peer_python, SERVING)
    if given.infinity is not None:
        try:
            own = peer_versions(given.infinity.parent / "python", INFINITY)
        except SideError as error:
            raise SideError(str(error).replace(REQUIREMENTS, OF_INFINITY)) from None
        found |= {f"infinity's {name}": version for name, version in own.items()}
    return found


def measure(given: argparse.Namespace, folder: Path) -> Bench:
    """Run the phases; one that fails is told, and the others go on."""
    place = Place(
        folder=folder,
        n_tasks=given.tasks,
        threads=given.threads,
        peer_python=given.peer_python,
        infinity=given.infinity,
        n_infinity=given.infinity_tasks,
    )
    lineup = lineup_of(given, place)
    n_classifiers = lineup["infinity"].n_tasks if "infinity" in lineup else 0
    materials.write(place, shape=given.shape, n_tasks=given.tasks, classifiers=n_classifiers)
    bench = Bench(place, lineup, plan_of(given), Loader(given.patience), given.patience)
    bench.batch_per_s()
    for name in given.only:
        started = time.perf_counter()
        report.progress(f"phase {name}")
        try:
            bench.found[name] = PHASES[name](bench)
        except (ServerError, SideError, OSError) as error:
            report.progress(f"  failed: {error}")
            bench.found[name] = {"failed": str(error)}
        report.progress(f"  phase {name} took {time.perf_counter() - started:.0f} s")
    return bench


def command_of(given: argparse.Namespace) -> str:
    """Return the command as it is written in the results."""
    parts = ["python benchmarks/serve/run.py"]
    parts += ["--peer-python PEER_PYTHON"] if given.peer_python else []
    parts += ["--infinity INFINITY_EMB"] if given.infinity else []
    parts += [f"--only {' '.join(given.only)}"] if list(given.only) != list(PHASES) else []
    parts += [f"--sides {' '.join(given.sides)}"] if given.sides is not None else []
    parts += [f"--tasks {given.tasks} --stored {given.stored} --resident {given.resident}"]
    parts += [f"--rounds {given.rounds} --seconds {given.seconds:g} --threads {given.threads}"]
    parts += [f"--shape {given.shape}"] if given.shape != "distilbert" else []
    parts += [name for name in ("--try", "--fake") if getattr(given, name[2:], given.is_try)]
    return " ".join(parts)


def main() -> None:
    """Measure, write the results, print the tables."""
    given = parse_options()
    for name in ("peer_python", "infinity"):
        path = getattr(given, name)
        # a link to python finds its environment
        setattr(given, name, None if path is None else path.absolute())
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    started = time.perf_counter()
    try:
        versions = versions_of(given)
        with tempfile.TemporaryDirectory() as scratch:
            bench = measure(given, (given.folder or Path(scratch)).absolute())
    except (ServerError, SideError) as error:
        sys.exit(str(error))
    found = (results.kept(given.out) if given.add else {}) | bench.found
    given.out.mkdir(parents=True, exist_ok=True)
    markdown = results.save(
        *(given.out, found),
        command=command_of(given),
        threads=given.threads,
        versions=versions,
        others=bench.loader.runs,
        note=given.note,
    )
    charts.draw(given.out / "results.svg", found)
    print(markdown)
    report.progress(f"all of it took {(time.perf_counter() - started) / 60:.1f} minutes")


if __name__ == "__main__":
    main()
