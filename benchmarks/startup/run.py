"""How long a new process takes to start: the command line's help, the import, and bare Python.

The three commands take turns, each in a fresh process, so that a busy moment of the machine hits
all of them. Writes `results.json` and `results.md` next to this file.
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

LOADED = "import sys, polyhead; print('torch' in sys.modules)"


def command_line() -> str:
    """Return the path of the installed `polyhead` command of this environment."""
    beside = shutil.which("polyhead", path=str(Path(sys.executable).parent))
    found = beside or shutil.which("polyhead")
    if found is None:
        raise FileNotFoundError("no `polyhead` command: install polyhead into this environment")
    return found


def commands() -> dict[str, list[str]]:
    """Return what is started, by the name a reader knows it by."""
    return {
        "polyhead --help": [command_line(), "--help"],
        'python -c "import polyhead"': [sys.executable, "-c", "import polyhead"],
        "python -c pass": [sys.executable, "-c", "pass"],
    }


def measure(times: int, cwd: Path) -> dict[str, list[float]]:
    """Start every command the given number of times, in turns, after one start that is not kept."""
    seconds: dict[str, list[float]] = {name: [] for name in commands()}
    for turn in range(times + 1):
        for name, command in commands().items():
            finished = report.run_process(command, cwd=cwd)
            if turn:
                seconds[name].append(finished.wall_s)
    return seconds


def as_markdown(results: dict[str, dict[str, float]], *, torch: bool, note: str) -> str:
    """Format the results for a README."""
    bare = results["python -c pass"]["median_s"]
    rows = [
        [
            f"`{name}`",
            f"{1000 * result['median_s']:.0f} ms",
            f"{1000 * result['min_s']:.0f} ms",
            f"{1000 * (result['median_s'] - bare):.0f} ms",
        ]
        for name, result in results.items()
    ]
    lines = report.table(["Fresh process", "median", "fastest", "over bare Python"], rows)
    loaded = "loads" if torch else "does not load"
    return f"{lines}\n\n`import polyhead` {loaded} torch. {note}\n"


def main() -> None:
    """Measure and write the results."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--times", type=int, default=15, help="fresh processes of each command")
    times = parser.parse_args().times
    with tempfile.TemporaryDirectory() as folder:
        seconds = measure(times, Path(folder))
        loaded = report.run_process([sys.executable, "-c", LOADED], cwd=Path(folder))
    torch_loaded = loaded.stdout.strip() == "True"
    results = {
        name: {"median_s": statistics.median(values), "min_s": min(values), "max_s": max(values)}
        for name, values in seconds.items()
    }
    facts = report.surroundings()
    document = {
        "surroundings": facts,
        "times": times,
        "torch_loaded_by_import": torch_loaded,
        "results": results,
        "seconds": seconds,
    }
    note = f"{times} processes of each, in turns. {report.describe(facts)}"
    markdown = as_markdown(results, torch=torch_loaded, note=note)
    report.write(HERE, document, markdown)
    print(markdown)


if __name__ == "__main__":
    main()
