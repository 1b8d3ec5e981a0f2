"""Does memory grow while a server answers a million rows, and tasks come, go and change?

More tasks are asked than fit in memory, and after every 10,000 rows one of them is replaced by
another version. The resident memory is read then; the line of least squares through it, without the
first fifth, gives the slope. Writes `soak.json` and `soak.md` next to this file, and ends with 1
where the slope is not below 1 MB for 10,000 rows, or where anything was not answered.

    python benchmarks/serve/soak.py
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))

from benchmarks import report  # noqa: E402  (found by the line above)
from benchmarks.serve import contenders, materials, processes, workload  # noqa: E402
from benchmarks.serve.contenders import ADMIN_KEY, Place  # noqa: E402
from benchmarks.serve.loading import Loader  # noqa: E402
from benchmarks.serve.names import TASKS, task_name  # noqa: E402
from benchmarks.serve.schedule import slope  # noqa: E402
from benchmarks.serve.servers import Server, ServerError  # noqa: E402
from benchmarks.speed.results import surroundings, told  # noqa: E402

ROWS_A_SAMPLE = 10_000
WARM_SHARE = 0.2
"""Of the samples, left out at the beginning: buffers grow once."""

MOST_MB = 1.0
MB = 1e6
OTHERS = "others"
"""Folder of the versions that take the place of the first ones."""


@dataclass
class Soak:
    """What was seen.

    Attributes:
        rows: Answered until each look.
        n_bytes: Of the server's memory then.
        statuses: Of all requests.
        n_replaced: Tasks that got another version.
        seconds: Of all of it.
    """

    rows: list[int] = field(default_factory=list)
    n_bytes: list[int] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)
    n_replaced: int = 0
    seconds: float = 0.0

    @property
    def mb_per_sample(self) -> float:
        """By how many megabytes memory grows while 10,000 rows are answered."""
        start = int(WARM_SHARE * len(self.rows))
        return slope(self.rows[start:], self.n_bytes[start:]) * ROWS_A_SAMPLE / MB

    @property
    def is_good(self) -> bool:
        """Whether memory is flat, and everything was answered."""
        return self.mb_per_sample < MOST_MB and set(self.statuses) <= {"200"}


def soak(server: Server, given: argparse.Namespace, place: Place) -> Soak:
    """Ask, replace, look; until all rows are answered."""
    found, loader = Soak(), Loader(patience_s=0.0, grace_s=60.0, pause_s=0.0)
    started = time.perf_counter()
    n_samples = max(2, -(-given.rows // ROWS_A_SAMPLE))
    for number in range(n_samples):
        requests = requests_of(number, given.tasks, given.inputs)
        loaded = loader.each(server, requests, in_flight=given.in_flight)
        found.statuses += Counter(dict(loaded.outcome.statuses))
        found.rows.append((number + 1) * given.inputs * len(requests))
        found.n_bytes.append(processes.resident_bytes(server.pid))
        replace_task(server, place, number)
        found.n_replaced += 1
        if number % 10 == 0:
            report.progress(f"{found.rows[-1]:,} rows: {found.n_bytes[-1] / MB:.0f} MB")
    found.seconds = time.perf_counter() - started
    return found


def requests_of(number: int, n_tasks: int, n_inputs: int) -> list[tuple[str, str]]:
    """Return the requests between two looks; the task of each is drawn by Zipf's law."""
    asks = workload.asks(ROWS_A_SAMPLE, n_tasks, seed=number)
    found = []
    for start in range(0, ROWS_A_SAMPLE - n_inputs + 1, n_inputs):
        part = asks[start : start + n_inputs]
        body = {"inputs": [ask.text for ask in part]}
        found.append((f"/v1/tasks/{task_name(part[0].task)}/predict", json.dumps(body)))
    return found


def replace_task(server: Server, place: Place, number: int) -> None:
    """Put the other version of a task in its place, and have the server look.

    Raises:
        ServerError: It does not.
    """
    name = task_name(number % place.n_tasks)
    here, other = place.folder / TASKS / name, place.folder / OTHERS / name
    aside = place.folder / "aside"
    here.rename(aside)
    other.rename(here)
    aside.rename(other)
    headers = {"Authorization": f"Bearer {ADMIN_KEY}"}
    status, answer = server.call("POST", "/v1/admin/refresh", {}, headers)
    if status != 200:  # noqa: PLR2004  (HTTP)
        raise ServerError(f"the server did not look for new versions: {status} {answer}")


def save(found: Soak, given: argparse.Namespace) -> str:
    """Write `soak.json` and `soak.md`; return the latter."""
    facts = surroundings(given.threads)
    command = (
        f"python benchmarks/serve/soak.py --rows {given.rows} --shape {given.shape} --tasks "
        f"{given.tasks} --resident {given.resident} --inputs {given.inputs} --in-flight "
        f"{given.in_flight} --threads {given.threads}"
    )
    figures: dict[str, Any] = {
        "slope_mb_per_10000_rows": found.mb_per_sample,
        "is_good": found.is_good,
        "statuses": dict(found.statuses),
        "n_replaced": found.n_replaced,
        "seconds": found.seconds,
    }
    document = {
        "surroundings": facts,
        "command": command,
        "note": given.note,
        **figures,
        "rows": found.rows,
        "resident_bytes": found.n_bytes,
    }
    rows = {
        "rows": f"{found.rows[-1]:,}",
        "slope, MB for 10,000 rows": f"{found.mb_per_sample:.3f}",
        "memory at first, MB": f"{found.n_bytes[0] / MB:.0f}",
        "memory at the end, MB": f"{found.n_bytes[-1] / MB:.0f}",
        "requests by status": ", ".join(f"{s}: {n}" for s, n in sorted(found.statuses.items())),
        "versions replaced": str(found.n_replaced),
        "minutes": f"{found.seconds / 60:.1f}",
    }
    parts = [report.table(["Soak", ""], [list(row) for row in rows.items()]), given.note]
    parts += [told(facts), f"`{command}`"]
    markdown = "\n\n".join(part for part in parts if part)
    report.write(given.out, document, markdown + "\n", name="soak")
    return markdown


def parse_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--shape", choices=("distilbert", "small", "tiny"), default="small")
    parser.add_argument("--tasks", type=int, default=60)
    parser.add_argument("--resident", type=int, default=20, help="tasks that fit in memory")
    parser.add_argument("--inputs", type=int, default=32, help="rows of a request")
    parser.add_argument("--in-flight", type=int, default=4)
    parser.add_argument("--threads", type=int, default=report.cpu_count())
    parser.add_argument("--out", type=Path, default=HERE, help="folder of the results")
    parser.add_argument("--note", default="")
    given = parser.parse_args()
    if min(given.rows, given.inputs, given.in_flight, given.resident) < 1:
        parser.error("--rows, --inputs, --in-flight and --resident take at least 1")
    return given


def main() -> None:
    """Soak, write the results, end with 1 where something is wrong."""
    given = parse_options()
    with tempfile.TemporaryDirectory() as scratch:
        place = Place(folder=Path(scratch), n_tasks=given.tasks, threads=given.threads)
        materials.write(place, shape=given.shape, n_tasks=given.tasks)
        materials.write(
            place, shape=given.shape, n_tasks=given.tasks, tasks_in=OTHERS, seed=given.tasks
        )
        n_bytes = materials.task_bytes(place.folder / TASKS / task_name(0))
        room = contenders.memory_options(round(n_bytes * (given.resident + 0.5)))
        ours = contenders.polyhead(place, [*room, "--access-log", "off"])
        try:
            with Server(ours.recipe) as server:
                found = soak(server, given, place)
        except ServerError as error:
            sys.exit(str(error))
    given.out.mkdir(parents=True, exist_ok=True)
    print(save(found, given))
    sys.exit(0 if found.is_good else 1)


if __name__ == "__main__":
    main()
