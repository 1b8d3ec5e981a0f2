"""`polyhead plugins`: what is installed, what it provides, and what failed."""

import shutil
import textwrap
from typing import TYPE_CHECKING, Any, Final

from polyhead.cli.options import JsonOption
from polyhead.cli.output import note, print_json, print_line

if TYPE_CHECKING:
    from polyhead.host import PluginRecord

__all__ = ["plugins"]

_INDENT: Final = 10
"""Of what is said below a plugin's first line: as wide as the longest status."""


def plugins(*, as_json: JsonOption = False) -> None:
    """List the installed plugins, what they provide and what failed."""
    from polyhead.host import DISABLE_VARIABLE
    from polyhead.registry import registry

    records = registry().plugins()
    if as_json:
        print_json([_described(record) for record in records])
    else:
        for record in records:
            _show(record)
        for record in records:
            if record.traceback:
                print_line(f"\n{record}:\n{record.traceback}")
    unknown = ", ".join(registry().unknown_switches())
    if unknown:
        note(f"{DISABLE_VARIABLE} names what is not installed: {unknown}.")


def _described(record: "PluginRecord") -> dict[str, Any]:
    return {
        "name": record.name,
        "provider": str(record.provider),
        "distribution": record.provider.distribution,
        "version": record.provider.version,
        "target": record.target,
        "is_builtin": record.is_builtin,
        "status": record.status,
        "provides": record.provides,
        "conflicts": record.conflicts,
        "disabled_by": record.disabled,
        "import_s": round(record.import_s, 4),
        "failure": record.failure,
        "traceback": record.traceback,
    }


def _show(record: "PluginRecord") -> None:
    """A line that says which and how it is, and below it the story."""
    loud = record.status in {"failed", "conflict"}
    status = record.status.upper() if loud else record.status
    seconds = "" if record.disabled else f", {record.import_s:.2f} s"
    print_line(f"{status:<{_INDENT}}{record.name}, of {record.provider}{seconds}")
    width = max(shutil.get_terminal_size().columns, 2 * _INDENT)
    margin = " " * _INDENT
    for line in _story(record):
        print_line(textwrap.fill(line, width, initial_indent=margin, subsequent_indent=margin))


def _story(record: "PluginRecord") -> list[str]:
    provides = f"provides {', '.join(record.provides)}" if record.provides else "provides nothing"
    if record.failure is not None:
        return [record.failure, f"still {provides}"] if record.provides else [record.failure]
    if record.disabled is not None:
        return [f"switched off by {record.disabled}"]
    return [provides, *record.conflicts]
