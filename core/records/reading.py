"""A data file as numbered records: JSON lines, CSV or TSV, read line by line."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from polyhead.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

__all__ = ["Record", "read_json_lines", "read_records"]

_DELIMITERS: Final[Mapping[str, str]] = {".csv": ",", ".tsv": "\t"}
_JSON_SUFFIXES: Final = frozenset({".json", ".jsonl", ".ndjson"})
_LONGEST_CELL: Final = 2**31 - 1
_JSON_NAMES: Final[Mapping[type, str]] = {
    bool: "true or false",
    float: "a number",
    int: "a number",
    list: "a list",
    str: "a string",
    type(None): "null",
}


@dataclass(frozen=True, slots=True)
class Record:
    """One record of a data file.

    Attributes:
        line: The line it starts in, counted from 1.
        names_line: The line that names its columns: its own, or the header.
        values: Its values by column.
    """

    line: int
    names_line: int
    values: Mapping[str, object]


def read_records(path: Path) -> Iterator[Record]:
    """The records of a file, one after the other.

    Args:
        path: A file of JSON objects, one a line (.jsonl, .ndjson, .json), or a table with a header
            (.csv, .tsv); UTF-8. Blank lines are skipped.

    Raises:
        DataError: It is none of these, cannot be read, or a line is not what it should be; the
            message has the line's number.
    """
    suffix = path.suffix.lower()
    if suffix in _JSON_SUFFIXES:
        return read_json_lines(_raw_lines(path), path)
    if suffix in _DELIMITERS:
        return _table_records(path, _DELIMITERS[suffix])
    found = f"its name ends in {path.suffix!r}" if path.suffix else "its name has no ending"
    raise DataError(path, f"{found}; data files are .jsonl, .csv or .tsv.")


def read_json_lines(raw_lines: Iterable[bytes], source: object) -> Iterator[Record]:
    """The records of a stream of JSON objects, one a line, as they come in.

    Args:
        raw_lines: Lines of UTF-8, such as standard input's buffer. Blank ones are skipped.
        source: What the stream is called in messages.

    Raises:
        DataError: A line is not a JSON object; the message has the line's number.
    """
    for number, line in enumerate(_decoded(raw_lines, source), start=1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except json.JSONDecodeError as error:
            message = (
                f"not JSON ({error.msg} at character {error.pos + 1}); each line is one object."
            )
            raise DataError(source, message, number) from None
        except (ValueError, RecursionError) as error:
            raise DataError(source, f"not JSON that can be read: {error}.", number) from None
        if not isinstance(value, dict):
            found = _JSON_NAMES[type(value)]
            message = f'holds {found}; each line is one object such as {{"text": "..."}}.'
            raise DataError(source, message, number)
        yield Record(number, number, value)


def _raw_lines(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            yield from file
    except FileNotFoundError:
        raise DataError(path, "there is no such file.") from None
    except IsADirectoryError:
        raise DataError(path, "this is a folder; name a file in it.") from None
    except (OSError, ValueError) as error:  # ValueError: a name with a NUL in it
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise DataError(path, f"cannot be read: {reason}.") from None


def _decoded(raw_lines: Iterable[bytes], source: object) -> Iterator[str]:
    """The lines with their ends, decoded one by one so that a bad byte has a line."""
    for number, raw in enumerate(raw_lines, start=1):
        if b"\0" in raw:
            # text in UTF-16 without its mark decodes as UTF-8 full of NULs; so do many binary files
            message = "holds a NUL byte, so it is no UTF-8 text; save it as UTF-8."
            raise DataError(source, message, number)
        try:
            # only the first line can start with a byte order mark
            yield raw.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            byte = error.object[error.start]
            message = f"byte 0x{byte:02x} is not UTF-8; save the file as UTF-8."
            raise DataError(source, message, number) from None


def _table_records(path: Path, delimiter: str) -> Iterator[Record]:
    # the limit is the process's own; it is only ever raised, since texts are longer than 131,072
    csv.field_size_limit(max(csv.field_size_limit(), _LONGEST_CELL))
    names: list[str] | None = None
    header_line = 0
    for line, cells in _table_rows(path, delimiter):
        if names is None:
            names, header_line = _column_names(path, line, cells), line
            continue
        if len(cells) != len(names):
            raise DataError(path, _miscounted(len(cells), len(names), delimiter), line)
        values = {name: cell for name, cell in zip(names, cells, strict=True) if name}
        yield Record(line, header_line, values)


def _table_rows(path: Path, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Each row that is not blank, with the line it starts in; a quoted cell may span lines."""
    reader = csv.reader(_decoded(_raw_lines(path), path), delimiter=delimiter, strict=True)
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise DataError(path, _misquoted(str(error)), line) from None
        if cells:
            yield line, cells


def _column_names(path: Path, line: int, cells: list[str]) -> list[str]:
    names = [cell.strip() for cell in cells]
    named = [name for name in names if name]
    twice = next((name for name in named if named.count(name) > 1), None)
    if twice is not None:
        raise DataError(path, f"the header names the column {twice!r} twice.", line)
    return names


def _miscounted(n_cells: int, n_names: int, delimiter: str) -> str:
    mark = "tab" if delimiter == "\t" else "comma"
    return (
        f"has {n_cells} {'cell' if n_cells == 1 else 'cells'} where the header has {n_names}; "
        f"a text with a {mark} or a line break in it must stand in double quotes."
    )


def _misquoted(message: str) -> str:
    if "unexpected end" in message:
        return "a cell's opening double quote is never closed."
    if "expected after" in message:
        return (
            "a cell goes on behind its closing double quote; a text with quotes in it is quoted as "
            'a whole, and each of them written twice ("").'
        )
    if "new-line character" in message:
        return "holds a bare carriage return; end lines with a line feed or quote the text."
    return f"cannot be read as a table: {message}."
