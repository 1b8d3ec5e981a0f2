"""What a command here keeps: tables for people, every measurement for machines."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import report
from benchmarks.speed import asked, load, options
from benchmarks.speed.asked import Asked
from benchmarks.speed.rounds import Contender, Measured

UNTOLD = ("choice", "trial_rows")
"""Of what a side was told: long, and made from a seed."""


def save(
    folder: Path,
    name: str,
    given: argparse.Namespace,
    *,
    versions: Mapping[str, str],
    contenders: Sequence[Contender],
    found: Mapping[str, Measured],
    tables: Sequence[str],
    met: Sequence[Asked],
    note: str,
    extras: Sequence[str] = (),
) -> str:
    """Write `NAME.json` and `NAME.md`; return the latter."""
    facts = surroundings(given.threads)
    document = {
        "surroundings": facts,
        "command": options.command_of(name, given, extras),
        "peers": dict(versions),
        "note": given.note,
        "asked": asked.as_results(met),
        "contenders": {
            contender.key: as_entry(contender, found[contender.key])
            for contender in contenders
            if contender.key in found
        },
    }
    parts = [*tables, f"{note} {disturbance(found)} {given.note}".strip(), told(facts, versions)]
    markdown = "\n\n".join(parts) + "\n"
    report.write(folder, document, markdown, name=name)
    return markdown


def as_entry(contender: Contender, measured: Measured) -> dict[str, Any]:
    """Return what is kept of a contender."""
    spec = {key: value for key, value in contender.spec.items() if key not in UNTOLD}
    if isinstance(spec.get("adapters"), list):  # a thousand names say nothing
        spec["adapters"] = {name: spec["adapters"].count(name) for name in spec["adapters"]}
    return {
        "side": contender.side,
        "spec": spec,
        "median": measured.median,
        "figures": measured.figures,
        "others_share": measured.others,
        "cpu_s": measured.cpu_s,
        "difference": measured.difference,
        "facts": measured.facts,
    }


def disturbance(found: Mapping[str, Measured]) -> str:
    """Say how much of the machine other programs took while something was measured."""
    most = max((max(measured.others) for measured in found.values() if measured.others), default=0)
    if most <= load.BUSY_SHARE:
        return f"Other programs took at most {100 * most:.0f} % of the processors meanwhile."
    return (
        f"Other programs took up to {100 * most:.0f} % of the processors meanwhile, so some "
        "figures are too low."
    )


def surroundings(threads: int) -> dict[str, object]:
    """Return the facts about machine and versions, the processor's instructions among them."""
    return report.surroundings() | {"threads": threads, "instructions": instructions()}


def instructions() -> list[str]:
    """Return which of the instructions for matrix products the processor has."""
    wanted = ("avx2", "avx512f", "avx_vnni", "avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16")
    cpuinfo = Path("/proc/cpuinfo")
    if not cpuinfo.exists():
        return []
    flags = cpuinfo.read_text(encoding="utf-8").partition("flags")[2].partition("\n")[0].split()
    return [name for name in wanted if name in flags]


def told(facts: Mapping[str, Any], versions: Mapping[str, str] | None = None) -> str:
    """Describe the machine, and the peers where there are some."""
    parts = [
        report.describe(facts),
        f"{facts['threads']} threads; {', '.join(facts['instructions'])}.",
    ]
    if versions:
        named = ", ".join(f"{name} {version}" for name, version in versions.items())
        parts.append(f"Peers: {named}.")
    return " ".join(parts)
