"""What do eight tasks on each text cost: in one call, one after the other, and beside one task?

Every task has a head of its own. Their adapters act in all layers, or in the upper three; or the
tasks share one adapter, or have none. Beside them the `Parallel` of `adapters`. All contenders take
turns; medians count. Writes `tasks.json`, `tasks.md` and `tasks.svg` next to this file.

Run it from the root of the repository, in the environment polyhead is installed in:

    python benchmarks/speed/tasks.py --peer-python ../peers/bin/python
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))

from benchmarks import report  # noqa: E402  (found by the line above)
from benchmarks.speed import asked, charts, options, results, rounds  # noqa: E402
from benchmarks.speed.asked import Asked, at_least, at_most, ratio  # noqa: E402
from benchmarks.speed.lineup import PRECISIONS  # noqa: E402
from benchmarks.speed.rounds import Contender, Measured  # noqa: E402
from benchmarks.speed.sides import OURS, SideError  # noqa: E402
from polyhead.bench import lengths, rows  # noqa: E402
from polyhead.encoder import DistilBertConfig  # noqa: E402

if TYPE_CHECKING:
    import argparse

N_TASKS = 8
BATCH = 32
UPPER = "seq_bn[leave_out=(0,1,2)]"
WAYS: dict[str, tuple[str | None, bool]] = {
    "seq_bn in all layers": ("seq_bn", False),
    "seq_bn in the upper three": (UPPER, False),
    "one shared seq_bn": ("seq_bn", True),
    "no adapter": (None, False),
}
"""For each way the adapter's config, and whether the tasks share it."""

ONE, AT_ONCE, SEPARATE = "1 task", f"{N_TASKS} tasks, one call", f"{N_TASKS} tasks, separate"
PARALLEL = f"adapters, Parallel of {N_TASKS} seq_bn"
TEXTS = 128


def key_of(way: str, passes: str, precision: str) -> str:
    """Return what the table calls one of ours."""
    return f"polyhead {PRECISIONS[precision]}, {way}: {passes}"


def contenders(given: argparse.Namespace) -> list[Contender]:
    """Return all that take part, in the order of the table."""
    texts = [row.ids for row in rows(lengths(given.texts), DistilBertConfig().vocab_size)]
    found = []
    for precision in given.precisions:
        for way, (adapter, share) in WAYS.items():
            spec = {"kind": "several", "precision": precision, "adapter": adapter, "share": share}
            for passes, n_tasks, at_once in (
                (ONE, 1, True),
                (AT_ONCE, N_TASKS, True),
                (SEPARATE, N_TASKS, False),
            ):
                own = {**spec, "tasks": n_tasks, "at_once": at_once}
                found.append(Contender(key_of(way, passes, precision), OURS, own, texts))
    for order, is_sorted in (("arrival", False), ("sorted", True)):
        spec = {"kind": "parallel", "adapters": N_TASKS, "batch": BATCH, "sorted": is_sorted}
        found.append(Contender(f"{PARALLEL}, {order}", "adapters", spec, texts))
    return [contender for contender in found if contender.side in given.sides]


def n_tasks_of(key: str) -> int:
    """Return how many tasks a contender answers for each text."""
    return 1 if key.endswith(ONE) else N_TASKS


def as_table(found: Mapping[str, Measured], n_texts: int) -> str:
    """Format a row for each contender."""
    cells = []
    for key, measured in found.items():
        way, _, passes = key.partition(": ")
        one = found.get(f"{way}: {ONE}")
        separate = found.get(f"{way}: {SEPARATE}")
        times = ratio(measured.median, one.median if one else None)
        faster = ratio(separate.median if separate else None, measured.median)
        cells.append(
            [
                key,
                f"{1000 * measured.median / n_texts:.1f} ms",
                f"{n_tasks_of(key) * n_texts / measured.median:.0f}",
                "" if times is None else f"{times:.2f}",
                "" if faster is None or passes != AT_ONCE else f"{faster:.2f}",
            ]
        )
    header = ["Contender", "a text", "text-tasks/s", "times one task", "faster than separate"]
    return report.table(header, cells)


def figures(found: Mapping[str, Measured]) -> list[Asked]:
    """Return what was asked of this table."""

    def median(way: str, passes: str) -> float | None:
        key = key_of(way, passes, "float32")
        return found[key].median if key in found else None

    every, upper, shared, bare = WAYS
    asked_of = []
    for way, least in ((every, 1.15), (upper, 2.1)):
        faster = ratio(median(way, SEPARATE), median(way, AT_ONCE))
        asked_of.append(at_least(f"{way}: one call, times faster than separate", least, faster))
    for way in (shared, bare):
        times = ratio(median(way, AT_ONCE), median(way, ONE))
        asked_of.append(at_most(f"{way}: {N_TASKS} tasks, times one", 1.1, times))
    return asked_of


def main() -> None:
    """Measure, write the results, print the tables."""
    parser = options.parser_of(__doc__, rounds=5, texts=TEXTS, sides=(OURS, "adapters"))
    parser.add_argument(
        "--precisions", nargs="+", choices=PRECISIONS, default=["float32"], metavar="P"
    )
    given = parser.parse_args()
    versions = options.checked_peers(parser, given)
    taking_part = contenders(given)
    try:
        found = rounds.measure_all(taking_part, given)
    except SideError as error:
        sys.exit(str(error))
    n_tokens = sum(map(len, taking_part[0].rows))
    met = figures(found)
    note = (
        f"Medians of {given.rounds} rounds; {given.texts} texts of {n_tokens} tokens. `adapters` "
        f"has padded batches of {BATCH}, which it makes {N_TASKS} times as large."
    )
    markdown = results.save(
        *(HERE, "tasks", given),
        versions=versions,
        contenders=taking_part,
        found=found,
        tables=[as_table(found, given.texts), asked.as_table(met)],
        met=met,
        note=note,
        extras=[f"--texts {given.texts} --precisions {' '.join(given.precisions)}"],
    )
    speeds = {key: n_tasks_of(key) * given.texts / found[key].median for key in found}
    own = [key for key in found if key.startswith(OURS)]
    charts.draw_bars(HERE / "tasks.svg", speeds, own, "answers a second (more is better)")
    print(markdown)


if __name__ == "__main__":
    main()
