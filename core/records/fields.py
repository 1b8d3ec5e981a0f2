"""Which columns of a record an example is read from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from polyhead.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

    from polyhead.records.reading import Record

__all__ = ["RecordFields"]


@dataclass(frozen=True)
class RecordFields:
    """Finds the fields of examples in records.

    Attributes:
        column_of: The column of each field that is read.
        needed: The fields that every record must have.
        texts: The fields whose value may be a text; JSON in a cell of another is unpacked.
        targets: The fields of which every record must have one: what is to be predicted.
    """

    column_of: Mapping[str, str]
    needed: frozenset[str]
    texts: frozenset[str]
    targets: tuple[str, ...] = ()

    def of(self, path: str | Path, record: Record) -> dict[str, object]:
        """The fields that a record has; those that are null or empty are left out.

        Args:
            path: The file the record is from, for messages.
            record: One of its records.

        Raises:
            DataError: One that must be there is not, or is not Unicode.
        """
        fields: dict[str, object] = {}
        for field, column in self.column_of.items():
            value = record.values.get(column)
            _check_unicode(path, record, column, value)
            if isinstance(value, str):
                value = self._unpacked(field, value)
            if value is not None and not (isinstance(value, str) and not value.strip()):
                fields[field] = value
            elif field in self.needed:
                raise self._missing(path, record, field)
        if self.targets and not fields.keys() & set(self.targets):
            raise self._missing(path, record, self.targets[0])
        return fields

    def _unpacked(self, field: str, cell: str) -> object:
        """The list or mapping that a cell holds as JSON, for a field that takes such."""
        if not cell.lstrip().startswith(("[", "{")) or field in self.texts:
            return cell
        try:
            return json.loads(cell)
        except (ValueError, RecursionError):
            return cell  # the field's own check says what it takes

    def _missing(self, path: str | Path, record: Record, field: str) -> DataError:
        column = self.column_of[field]
        if column not in record.values:
            there = ", ".join(map(repr, record.values)) or "none"
            remedy = f"Name another with columns={{{field!r}: ...}} (--column {field}=NAME)."
            message = f"no column {column!r}; there are: {there}. {remedy}"
            return DataError(path, message, record.names_line)
        state = "null" if record.values[column] is None else "empty"
        whose = "" if column == field else f", which has the field {field!r},"
        message = f"column {column!r}{whose} is {state}, and every record needs it."
        return DataError(path, message, record.line)


def _check_unicode(path: str | Path, record: Record, column: str, value: object) -> None:
    # as JSON where it is no text: that has the texts of lists and mappings in it
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        message = f"column {column!r} holds half of a surrogate pair; it is not Unicode."
        raise DataError(path, message, record.line) from None
