"""What the command keeps: tables for people, every figure for machines."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import report
from benchmarks.serve.contenders import OURS
from benchmarks.serve.figures import figures
from benchmarks.speed import asked, load
from benchmarks.speed.results import surroundings, told

HERE = Path(__file__).resolve().parent
SHOWN = ("p50", "p90", "p99", "p100")
MB = 1e6
SHORT_CHARS = 300


def save(
    folder: Path,
    found: Mapping[str, Any],
    *,
    command: str,
    threads: int,
    versions: Mapping[str, str],
    others: Sequence[float],
    note: str,
) -> str:
    """Write `results.json` and `results.md`; return the latter."""
    facts = surroundings(threads)
    met = figures(found)
    most = max(others, default=0.0)
    document = {
        "surroundings": facts,
        "command": command,
        "peers": dict(versions),
        "note": note,
        "most_others_share": most,
        "asked": asked.as_results(met),
        **found,
    }
    markdown = "\n\n".join(
        [
            *tables(found),
            asked.as_table(met),
            f"{disturbance(most)} {note}".strip(),
            told(facts, versions),
            f"`{command}`",
        ]
    )
    report.write(folder, document, markdown + "\n")
    return markdown


def kept(folder: Path) -> dict[str, Any]:
    """Return what an earlier run found, phase by phase; nothing where there was none."""
    path = folder / "results.json"
    if not path.exists():
        return {}
    document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    about = ("surroundings", "command", "peers", "note", "most_others_share", "asked")
    return {name: value for name, value in document.items() if name not in about}


def tables(found: Mapping[str, Any]) -> list[str]:
    """Format what was found, as far as it was."""
    parts = []
    if "saturation" in found:
        parts += [saturation_table(found), notes(found["saturation"])]
    loads = {"70 % of saturation": "steady", "300 % of saturation": "overload"}
    there = {name: found[phase] for name, phase in loads.items() if phase in found}
    if there:
        parts.append(latency_table(there))
    if any(name in found for name in ("alone", "swapping", "stored", "starting", "overload")):
        parts.append(other_table(found))
    failed = [
        f"{name} failed: {_short(part['failed'])}"
        for name, part in found.items()
        if "failed" in part
    ]
    return [*parts, *failed]


def saturation_table(found: Mapping[str, Any]) -> str:
    """Format the most good answers a second of each server."""
    sides: Mapping[str, Any] = found["saturation"].get("sides", {})
    batch = found.get("batch", {}).get("texts_per_s")
    ours = sides.get(OURS, {}).get("saturation_per_s")
    cells = [["the model alone, all texts in one call", "", _number(batch), "", "", ""]]
    for side in sides.values():
        at_most = side["curve"][-1]
        cells.append(
            [
                side["name"],
                str(side["n_tasks"]) + ("" if side["serves_all"] else " \\*"),
                _number(side["saturation_per_s"]),
                _number(asked.ratio(ours, side["saturation_per_s"]), 2),
                f"{at_most[1]:.1f} of {at_most[0]:.0f}",
                f"{side['resident_bytes'] / MB:.0f}",
            ]
        )
    header = ["Server", "tasks", "answers/s", "polyhead's, times", "when offered most", "MB"]
    return report.table(header, cells)


def notes(saturation: Mapping[str, Any]) -> str:
    """Say what each server does, and who was left out."""
    lines = [f"- {side['name']}: {side['note']}." for side in saturation.get("sides", {}).values()]
    lines += [
        f"- {key} left out: {_short(why)}" for key, why in saturation.get("left_out", {}).items()
    ]
    lines.append(
        "- \\* not these tasks, but an easier job; MB counts shared pages for each process."
    )
    return "\n".join(lines)


def latency_table(loads: Mapping[str, Mapping[str, Any]]) -> str:
    """Format latencies under load, counted from when requests were due."""
    cells = []
    for name, one in loads.items():
        latency, refused = one.get("latency_ms", {}), one.get("refused_ms", {})
        cells.append(
            [
                name,
                f"{one['offered_per_s']:.0f}",
                f"{one['goodput_per_s']:.1f}",
                f"{100 * one['share_refused']:.1f} %",
                *(_number(latency.get(share), 0) for share in SHOWN),
                _number(refused.get("p99"), 0),
                str(one["n_errors"]),
                f"{100 * one['generator_cpu']:.0f} %",
            ]
        )
    header = ["Load", "offered/s", "answers/s", "refused", *(f"{share}, ms" for share in SHOWN)]
    return report.table([*header, "p99 of refusals, ms", "errors", "generator, of a core"], cells)


def other_table(found: Mapping[str, Any]) -> str:
    """Format what is neither throughput nor latency under load."""
    alone, swapping = found.get("alone", {}), found.get("swapping", {})
    stored, starting = found.get("stored", {}), found.get("starting", {})
    memory = found.get("overload", {}).get("memory", {})
    rows = {
        "a lone request of 30 tokens, through HTTP": (alone.get("http_ms"), " ms"),
        "the bare forward of it": (alone.get("forward_ms"), " ms"),
        "`model.answer` of it": (alone.get("answer_ms"), " ms"),
        "idle, of a core": (_times(alone.get("idle_cpu"), 100), " %"),
        "a request of a task that is not resident, more": (swapping.get("extra_ms"), " ms"),
        f"answers/s, {_residents(stored, 'few')}": (stored.get("few_per_s"), ""),
        f"answers/s, {_residents(stored, 'all')}": (stored.get("all_per_s"), ""),
        "memory before 300 %": (_times(memory.get("before"), 1 / MB), " MB"),
        "the most during it": (_times(memory.get("most"), 1 / MB), " MB"),
        "after it": (_times(memory.get("after"), 1 / MB), " MB"),
        "start to ready": (starting.get("ready_s"), " s"),
    }
    return report.table(
        ["Besides", "median"],
        [[name, f"{value:.2f}{unit}"] for name, (value, unit) in rows.items() if value is not None],
    )


def disturbance(most: float) -> str:
    """Say how much of the machine other programs took meanwhile."""
    so = ", so some figures are too low" if most > load.BUSY_SHARE else ""
    return f"Other programs took at most {100 * most:.0f} % of the processors in any run{so}."


def _short(reason: str) -> str:
    return " ".join(reason.split())[-SHORT_CHARS:]


def _residents(stored: Mapping[str, Any], key: str) -> str:
    n = stored.get("n_resident", {}).get(key)
    return f"{'?' if n is None else n} of {stored.get('n_stored', '?')} tasks resident at the end"


def _times(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor


def _number(value: float | None, digits: int = 1) -> str:
    return "" if value is None else f"{value:.{digits}f}"
