"""Records in, answers out, a chunk at a time: what `predict` does with files and pipes."""

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

from polyhead.errors import DataError, OutputExistsError, PolyheadError, WriteError
from polyhead.records import Record, read_json_lines, read_records

__all__ = [
    "STREAM",
    "Item",
    "check_target",
    "chunks",
    "items_of_file",
    "json_line",
    "line_writer",
    "place_of",
]

STREAM = Path("-")
"""Standard input or output in place of a file."""
CHUNK = 4096
"""Texts that are answered together: enough to sort by length, few enough to keep in memory."""


@dataclass(frozen=True)
class Item:
    """What is to be answered: a record of a file, or a text of the command line.

    Attributes:
        values: What its line of the result repeats.
        example: What the tasks' heads read: for a record, the record itself.
        line: Its line in the file; None for a text of the command line.
    """

    values: Mapping[str, Any]
    example: object | Record
    line: int | None = None


def items_of_file(path: Path) -> Iterator[Item]:
    """The records of a data file, read as they are asked for; the first one is read at once.

    Raises:
        DataError: The file cannot be read or holds no record.
    """
    place = place_of(path)
    is_stream = path == STREAM
    records = read_json_lines(sys.stdin.buffer, place) if is_stream else read_records(path)
    rest = (Item(record.values, record, record.line) for record in records)
    first = next(rest, None)
    if first is None:
        raise DataError(place, "holds no text.")
    return chain([first], rest)


def place_of(path: Path) -> str:
    """What the source of texts is called in messages."""
    return "standard input" if path == STREAM else str(path)


def chunks(items: Iterable[Item]) -> Iterator[list[Item]]:
    """The items, many at a time."""
    rest = iter(items)
    while chunk := list(islice(rest, CHUNK)):
        yield chunk


def json_line(item: Item, answers: Mapping[str, Any]) -> str:
    """One line of the result: what the input line held, and each task's answer."""
    predictions = {task: answer.model_dump(mode="json") for task, answer in answers.items()}
    return json.dumps({**item.values, "predictions": predictions}, ensure_ascii=False)


def check_target(path: Path | None, *, overwrite: bool) -> None:
    """Refuses a file that could not be written at the end.

    Raises:
        OutputExistsError: It is taken.
        WriteError: It cannot be made there.
    """
    if path is None or path == STREAM:
        return
    if path.is_dir():
        raise OutputExistsError(f"{path} is a folder; name a file in it.")
    if os.path.lexists(path) and not overwrite:
        raise OutputExistsError(
            f"{path} exists; choose another --output, or replace it with --overwrite."
        )
    folder = path.absolute().parent
    if not folder.is_dir():
        raise WriteError(f"{path} cannot be made: there is no folder {folder}; make it first.")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise WriteError(f"{path} cannot be made: {folder} is read-only; choose another --output.")


@contextmanager
def line_writer(path: Path | None) -> Iterator[Callable[[Iterable[str]], None]]:
    """A function that writes lines to `path`, or to standard output for None and "-".

    The file appears at the end, complete; when the block fails there is none, and what was at
    `path` before is untouched.

    Raises:
        WriteError: It could not be written.
    """
    if path is None or path == STREAM:
        yield _print_lines
        return
    # beside the file, so that the last step is a rename; the process id keeps two runs apart
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        # a lone surrogate in a record becomes the JSON escape that it came from
        with temporary.open("w", encoding="utf-8", errors="backslashreplace") as file:
            yield lambda lines: file.writelines(f"{line}\n" for line in lines)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except PolyheadError:
        raise
    except OSError as error:
        raise WriteError(f"{path} could not be written: {error.strerror}.") from error
    finally:
        temporary.unlink(missing_ok=True)


def _print_lines(lines: Iterable[str]) -> None:
    for line in lines:
        # JSON is UTF-8 whatever the terminal speaks
        sys.stdout.buffer.write(f"{line}\n".encode(errors="backslashreplace"))
    sys.stdout.buffer.flush()
