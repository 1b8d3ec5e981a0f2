"""Texts as they come from a pipe: one a line."""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from polyhead.cli.bulk import STREAM, Item, place_of
from polyhead.errors import DataError
from polyhead.records import read_records

__all__ = ["items_of_lines"]

_DATA_FILES = frozenset({".csv", ".json", ".jsonl", ".ndjson", ".tsv"})
_FORM = "give a JSON object or two texts with a tab between"


def items_of_lines(path: Path, names: Sequence[str]) -> Iterator[Item]:
    """The inputs in a file or on standard input, read as they are asked for.

    Args:
        path: A data file (.jsonl, .csv, .tsv), whose columns have the inputs' names; any other file
            has one text a line, and "-" is standard input. Blank lines are skipped.
        names: What an input consists of. Where it starts with a question, a line is a JSON object,
            or a question and its context with a tab between.

    Raises:
        DataError: The file cannot be read, or a line is not what it should be.
    """
    if path != STREAM and path.suffix.lower() in _DATA_FILES:
        for record in read_records(path):
            yield _item(record.values, names, path, record.line)
        return
    place = place_of(path)
    for number, text in _decoded(_raw_lines(path), place):
        if names[0] == "text":
            yield Item({"text": text}, text, number)
        else:
            yield _item(_question(text, names, place, number), names, place, number)


def _item(values: Mapping[str, object], names: Sequence[str], place: object, line: int) -> Item:
    found = {name: values[name] for name in names if values.get(name) is not None}
    if names[0] not in found:
        raise DataError(place, f"has no {names[0]!r}.", line)
    return Item(values, found[names[0]] if len(found) == len(names) == 1 else found, line)


def _question(text: str, names: Sequence[str], place: str, line: int) -> Mapping[str, object]:
    if text.startswith("{"):
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            if "\t" not in text:
                raise DataError(place, f"is not JSON; {_FORM}.", line) from None
        else:
            return dict(value)  # what starts with a brace is an object
    parts = text.split("\t", maxsplit=1)
    if len(parts) < len(names):
        raise DataError(place, f"is one text, and a question needs a context; {_FORM}.", line)
    return dict(zip(names, parts, strict=True))


def _raw_lines(path: Path) -> Iterator[bytes]:
    if path == STREAM:
        yield from sys.stdin.buffer
        return
    with path.open("rb") as file:
        yield from file


def _decoded(raw_lines: Iterable[bytes], place: str) -> Iterator[tuple[int, str]]:
    """The lines that are not blank, without their ends, and their numbers from 1."""
    for number, raw in enumerate(raw_lines, start=1):
        if b"\0" in raw:  # UTF-16 without its mark, and many binary files
            raise DataError(place, "holds a NUL byte, so it is no UTF-8 text.", number)
        try:
            # only the first line can start with a byte order mark
            line = raw.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
        except UnicodeDecodeError as error:
            message = f"byte 0x{raw[error.start]:02x} is not UTF-8; save the text as UTF-8."
            raise DataError(place, message, number) from None
        if line.strip():
            yield number, line
