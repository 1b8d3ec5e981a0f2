"""What commands print: results on standard output, remarks beside them on standard error."""

import json
import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

__all__ = [
    "command_line",
    "file_sizes",
    "note",
    "print_json",
    "print_line",
    "print_table",
    "readable_size",
]

_KILO = 1000.0


def print_json(value: object) -> None:
    """One JSON document on standard output."""
    print_line(json.dumps(value, indent=2))


def print_line(line: str = "") -> None:
    """One line on standard output."""
    print(line)  # noqa: T201 - what a command line does


def note(message: str) -> None:
    """A remark for people, on standard error."""
    print(message, file=sys.stderr, flush=True)  # noqa: T201


def print_table(
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    right: Sequence[str] = (),
) -> None:
    """A table on standard output.

    Args:
        columns: The headings.
        rows: One string a column each; shown as they are, markup is not read.
        right: The headings of columns of numbers.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    Console(file=sys.stdout).print(table)


def readable_size(n_bytes: int) -> str:
    """`n_bytes` as people read it: "512 B", "1.2 MB"."""
    size, unit = float(n_bytes), "B"
    for larger in ("kB", "MB", "GB"):
        if size < _KILO:
            break
        size, unit = size / _KILO, larger
    return f"{n_bytes} B" if unit == "B" else f"{size:.1f} {unit}"


def command_line(*words: str | Path) -> str:
    """A command of ours as it can be typed in this shell, quoted where a shell needs it."""
    return shlex.join([*_program(), *(str(word) for word in words)])


def _program() -> list[str]:
    """How this process was started: by name where that finds the same program, else as typed."""
    started = Path(sys.argv[0])
    if started.stem != "polyhead":
        return [sys.executable, "-m", "polyhead"]
    found = shutil.which("polyhead")
    is_on_path = found is not None and Path(found).resolve() == started.resolve()
    return ["polyhead" if is_on_path else str(started)]


def file_sizes(folder: Path) -> dict[str, int]:
    """The files of a task's folder and their bytes, by their paths in it."""
    entries = sorted([*folder.iterdir(), *folder.glob("adapters/*")])
    return {
        entry.relative_to(folder).as_posix(): entry.stat().st_size
        for entry in entries
        if entry.is_file()
    }
