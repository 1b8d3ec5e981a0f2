"""Where does the time of our side go? What limits a figure that misses.

The operators of torch in which the throughput benchmark's texts spend their time, by precision and
adapters, measured by torch's profiler in one run each. Writes `parts.json` and `parts.md` next to
this file.

Run it from the root of the repository, in the environment polyhead is installed in:

    python benchmarks/speed/parts.py --peer-python ../peers/bin/python
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))

from benchmarks import report  # noqa: E402  (found by the line above)
from benchmarks.speed import lineup, load, options, results  # noqa: E402
from benchmarks.speed.rounds import Contender  # noqa: E402
from benchmarks.speed.sides import OURS, SideError, Sides, write_checkpoint  # noqa: E402

if TYPE_CHECKING:
    import argparse

SHOWN = 8
"""Operators that have a row; the others are told together."""

Parts = dict[str, float]


def profiled(given: argparse.Namespace) -> dict[str, Parts]:
    """Return the seconds of each operator, by contender; what cannot be run is told and left out.

    Raises:
        SideError: Our side or the checkpoint's cannot be started.
    """
    found: dict[str, Parts] = {}
    with tempfile.TemporaryDirectory() as scratch:
        write_checkpoint(given.peer_python, Path(scratch))
        with Sides(
            peer_python=given.peer_python, folder=Path(scratch), threads=given.threads
        ) as started:
            for contender in wanted(given):
                report.progress(contender.key)
                load.wait_until_quiet(0.0, given.patience)
                spec = {"kind": "profile", "of": dict(contender.spec)}
                try:
                    answer = started[OURS].prepare(contender.key, spec, contender.rows)
                except SideError as error:
                    report.progress(f"left out: {error}")
                    continue
                found[contender.key] = answer["facts"]
    return found


def wanted(given: argparse.Namespace) -> list[Contender]:
    """Return our contenders of the throughput benchmark."""
    return [
        contender
        for contender in lineup.contenders(given)
        if contender.spec.get("kind") == "answer"
    ]


def as_table(key: str, parts: Mapping[str, float]) -> str:
    """Format the longest operators of one contender."""
    total = sum(parts.values())
    longest = sorted(parts.items(), key=lambda part: part[1], reverse=True)[:SHOWN]
    longest.append(("the others", total - sum(seconds for _, seconds in longest)))
    rows = [
        [name, f"{1000 * seconds:.0f} ms", f"{100 * seconds / total:.1f} %"]
        for name, seconds in longest
    ]
    return report.table([key, "time", "share"], rows)


def main() -> None:
    """Profile, write the results, print the tables."""
    parser = options.parser_of(__doc__, rounds=5, texts=256, sides=(OURS,))
    parser.add_argument("--resident", type=int, default=1000, help="adapters in one model")
    given = parser.parse_args()
    versions = options.checked_peers(parser, given)
    try:
        found = profiled(given)
    except SideError as error:
        sys.exit(str(error))
    facts = results.surroundings(given.threads)
    note = f"One run of {given.texts} texts each, under the profiler. {given.note}".strip()
    tables = [as_table(key, parts) for key, parts in found.items()]
    markdown = "\n\n".join([*tables, note, results.told(facts, versions)]) + "\n"
    document = {
        "surroundings": facts,
        "command": options.command_of("parts", given, [f"--texts {given.texts}"]),
        "peers": versions,
        "seconds": found,
    }
    report.write(HERE, document, markdown, name="parts")
    print(markdown)


if __name__ == "__main__":
    main()
