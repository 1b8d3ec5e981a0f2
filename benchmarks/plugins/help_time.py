"""What 50 installed plugins add to `polyhead --help`.

Makes a folder of 50 distributions as pip would leave them, each with an entry point of the group
`polyhead` and a module that imports torch, and starts `polyhead --help` in fresh processes with
that folder on the path and with an empty one, in turns. For comparison a third command looks the
entry points up before it shows the help: what it would cost to say there which plugins are
installed. Processor time tells most where the machine has other work. Writes `results.json` and
`results.md` into `help_time/`.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))

from benchmarks import report  # noqa: E402  (found by the line above)

N_PLUGINS = 50
LIMIT_MS = 20
MODULE = """import torch

import polyhead as ph


@ph.hookimpl
def polyhead_register_heads(register):
    pass


@ph.hookimpl
def polyhead_register_commands(register):
    register("command-{number}", print)
"""
LISTING = """import importlib.metadata
import sys

from polyhead.cli import main

n_found = len(importlib.metadata.entry_points(group="polyhead"))
sys.argv = ["polyhead", "--help"]
main()
"""
NONE = "no plugin"
MANY = f"{N_PLUGINS} plugins"
LISTED = f"{N_PLUGINS} plugins, entry points looked up"


def install(folder: Path) -> None:
    """Make the distributions, as pip would leave them."""
    for number in range(N_PLUGINS):
        (folder / f"slow_plugin_{number}.py").write_text(MODULE.format(number=number))
        info = folder / f"slow_plugin_{number}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: slow-plugin-{number}\nVersion: 1.0\n"
            "Requires-Dist: polyhead>=0.1\n"
        )
        (info / "entry_points.txt").write_text(f"[polyhead]\nmain = slow_plugin_{number}\n")
        (info / "RECORD").write_text("")


def command_line() -> str:
    """Return the path of the installed `polyhead` command of this environment."""
    beside = shutil.which("polyhead", path=str(Path(sys.executable).parent))
    found = beside or shutil.which("polyhead")
    if found is None:
        raise FileNotFoundError("no `polyhead` command: install polyhead into this environment")
    return found


def measure(times: int, cwd: Path) -> dict[str, list[report.Finished]]:
    """Start every command the given number of times, in turns, after one start that is not kept."""
    empty, full = cwd / "empty", cwd / "full"
    for folder in (empty, full):
        folder.mkdir()
    install(full)
    shown = [command_line(), "--help"]
    commands = {
        NONE: (shown, empty),
        MANY: (shown, full),
        LISTED: ([sys.executable, "-c", LISTING], full),
    }
    finished: dict[str, list[report.Finished]] = {name: [] for name in commands}
    for turn in range(times + 1):
        # every command is first as often as the others: the one after a pause is slower
        order = list(commands)[turn % len(commands) :] + list(commands)[: turn % len(commands)]
        for name in order:
            command, path = commands[name]
            done = report.run_process(command, cwd=cwd, environment={"PYTHONPATH": str(path)})
            if turn:
                finished[name].append(done)
    return finished


def check(cwd: Path) -> int:
    """Return how many of the plugins are found when they are asked for: they must be there."""
    code = "import importlib.metadata as m; print(len(m.entry_points(group='polyhead')))"
    environment = {"PYTHONPATH": str(cwd / "full")}
    done = report.run_process([sys.executable, "-c", code], cwd=cwd, environment=environment)
    return int(done.stdout)


def as_markdown(wall_s: dict[str, list[float]], cpu_s: dict[str, list[float]], note: str) -> str:
    """Format the results for a README."""
    rows = [
        [
            f"`polyhead --help`, {name}",
            f"{1000 * statistics.median(wall_s[name]):.1f} ms",
            f"{1000 * min(wall_s[name]):.1f} ms",
            f"{added_ms(wall_s, name):+.1f} ms",
            f"{1000 * statistics.median(cpu_s[name]):.1f} ms",
            f"{added_ms(cpu_s, name):+.1f} ms",
        ]
        for name in wall_s
    ]
    header = ["Fresh process", "median", "fastest", "added", "processor, median", "added"]
    return f"{report.table(header, rows)}\n\n{note}\n"


def added_ms(seconds: dict[str, list[float]], name: str) -> float:
    """Return what a command's median is over that without plugins, in milliseconds."""
    return 1000 * (statistics.median(seconds[name]) - statistics.median(seconds[NONE]))


def main() -> None:
    """Measure and write the results."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--times", type=int, default=41, help="fresh processes of each command")
    times = parser.parse_args().times
    with tempfile.TemporaryDirectory() as folder:
        finished = measure(times, Path(folder))
        n_found = check(Path(folder))
    wall_s = {name: [one.wall_s for one in done] for name, done in finished.items()}
    cpu_s = {name: [one.cpu_s for one in done] for name, done in finished.items()}
    facts = report.surroundings()
    added = {"wall": added_ms(wall_s, MANY), "processor": added_ms(cpu_s, MANY)}
    document = {
        "surroundings": facts,
        "times": times,
        "n_plugins_found": n_found,
        "added_ms": added,
        "limit_ms": LIMIT_MS,
        "wall_s": wall_s,
        "cpu_s": cpu_s,
    }
    note = (
        f"{N_PLUGINS} plugins add {added['wall']:.1f} ms, {added['processor']:.1f} ms of processor "
        f"time; the aim is less than {LIMIT_MS} ms. {times} processes of each, in turns. "
        f"{report.describe(facts)}"
    )
    (HERE / "help_time").mkdir(exist_ok=True)
    markdown = as_markdown(wall_s, cpu_s, note)
    report.write(HERE / "help_time", document, markdown)
    print(markdown)


if __name__ == "__main__":
    main()
