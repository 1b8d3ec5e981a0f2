"""Examples out of data files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Union, get_args, get_origin

from pydantic import ValidationError

from polyhead.contracts import explain
from polyhead.errors import DataError, InputError
from polyhead.train.records import Record, read_records

if TYPE_CHECKING:
    from polyhead.contracts import Example, Head

__all__ = ["ExampleReader", "read_examples"]


def read_examples(
    path: str | Path,
    head_class: type[Head],
    *,
    columns: Mapping[str, str] | None = None,
    labelled: bool = True,
) -> list[Example]:
    """The examples of a file.

    Args:
        path: JSON lines (.jsonl), CSV or TSV with a header; UTF-8.
        head_class: The head that will read the examples: the fields of `head_class.Example` are
            read from the columns of the same names, and other columns are ignored.
        columns: For fields whose column has another name, that name; every record must have it.
        labelled: Whether what is to be predicted is read too and must be there, as for training
            and evaluation.

    Returns:
        At least one example, in the file's order.

    Raises:
        DataError: The file or one of its lines cannot be used; the message has the line's number.
        InputError: A column is named for a field that the head's examples do not have.
    """
    reader = ExampleReader.of(head_class, columns or {}, labelled=labelled)
    examples = [reader.example(path, record) for record in read_records(Path(path))]
    if not examples:
        raise DataError(path, "holds no example.")
    return examples


@dataclass(frozen=True)
class ExampleReader:
    """Makes examples of one kind of head out of records.

    Attributes:
        head_class: The kind of head.
        column_of: The column of each field that is read.
        needed: The fields that every record must have.
        targets: The fields of which every record must have one: what is to be predicted.
    """

    head_class: type[Head]
    column_of: Mapping[str, str]
    needed: frozenset[str]
    targets: tuple[str, ...]

    @classmethod
    def of(
        cls, head_class: type[Head], columns: Mapping[str, str], *, labelled: bool
    ) -> ExampleReader:
        """The reader of a head's examples; arguments and errors as in `read_examples`."""
        fields = head_class.Example.model_fields
        targets = head_class.Example.target_fields
        read = [name for name in fields if labelled or name not in targets]
        odd = next((name for name in columns if name not in read), None)
        if odd is not None:
            raise InputError(
                f"a column is named for {odd!r}, and examples of {head_class.kind!r} have no such "
                f"field; they have: {', '.join(read)}."
            )
        required = {name for name in read if fields[name].is_required()}
        return cls(
            head_class,
            {name: columns.get(name, name) for name in read},
            frozenset(required | columns.keys()),
            tuple(targets) if labelled else (),
        )

    def example(self, path: str | Path, record: Record) -> Example:
        """The example that a record holds.

        Args:
            path: The file the record is from, for messages.
            record: One of its records.

        Raises:
            DataError: It holds none.
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
        try:
            return self.head_class.Example.model_validate(fields)
        except ValidationError as error:
            message = f"not an example of {self.head_class.kind!r}: {explain(error)}."
            raise DataError(path, message, record.line) from None

    def _unpacked(self, field: str, cell: str) -> object:
        """The list or mapping that a cell holds as JSON, for a field that takes such."""
        takes = self.head_class.Example.model_fields[field].annotation
        if not cell.lstrip().startswith(("[", "{")) or _is_text(takes):
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


def _is_text(annotation: object) -> bool:
    """Whether a value of this type may be a text."""
    if get_origin(annotation) in {Annotated, Union, UnionType}:
        return any(_is_text(part) for part in get_args(annotation))
    return annotation is str


def _check_unicode(path: str | Path, record: Record, column: str, value: object) -> None:
    # as JSON where it is no text: that has the texts of lists and mappings in it
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        message = f"column {column!r} holds half of a surrogate pair; it is not Unicode."
        raise DataError(path, message, record.line) from None
