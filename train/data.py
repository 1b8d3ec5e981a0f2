"""Examples out of data files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from polyhead.contracts import explain
from polyhead.errors import DataError, InputError
from polyhead.train.records import Record, read_records

if TYPE_CHECKING:
    from collections.abc import Collection

    from polyhead.contracts import Example, Head

__all__ = ["read_examples", "read_texts"]


def read_examples(
    path: str | Path,
    head_class: type[Head],
    *,
    text_column: str = "text",
    text_pair_column: str | None = None,
    label_column: str = "label",
) -> list[Example]:
    """The labelled examples of a file, for training and evaluation.

    The fields of `head_class.Example` are read from the columns of the same names, but for the
    three that can be named here; other columns are ignored.

    Args:
        path: JSON lines (.jsonl), CSV or TSV with a header; UTF-8.
        head_class: The head that will read the examples.
        text_column: The column of the field `text`.
        text_pair_column: The column of the field `text_pair`, which every record must then have;
            None takes `text_pair` where there is one.
        label_column: The column of the field `label`.

    Returns:
        At least one example, in the file's order.

    Raises:
        DataError: The file or one of its lines cannot be used; the message has the line's number.
        InputError: A column is named for a field that the head's examples do not have.
    """
    fields = head_class.Example.model_fields
    columns = _Columns.of(head_class, fields, text_column, text_pair_column, label_column)
    return _read(Path(path), head_class, columns)


def read_texts(
    path: str | Path,
    head_class: type[Head],
    *,
    text_column: str = "text",
    text_pair_column: str | None = None,
) -> list[Example]:
    """The examples of a file without their labels, for prediction.

    Args:
        path: JSON lines (.jsonl), CSV or TSV with a header; UTF-8.
        head_class: The head that will read the examples.
        text_column: The column of the field `text`.
        text_pair_column: The column of the field `text_pair`, which every record must then have;
            None takes `text_pair` where there is one.

    Returns:
        At least one example, in the file's order.

    Raises:
        DataError: The file or one of its lines cannot be used; the message has the line's number.
        InputError: A column is named for a field that the head's examples do not have.
    """
    example_class = head_class.Example
    fields = [
        field for field in example_class.model_fields if field not in example_class.target_fields
    ]
    columns = _Columns.of(head_class, fields, text_column, text_pair_column, None)
    return _read(Path(path), head_class, columns)


@dataclass(frozen=True)
class _Columns:
    """Where the fields of an example stand in a file.

    Attributes:
        of_field: The column of each field.
        needed: The fields that every record must have.
    """

    of_field: Mapping[str, str]
    needed: frozenset[str]

    @classmethod
    def of(
        cls,
        head_class: type[Head],
        fields: Collection[str],
        text: str,
        text_pair: str | None,
        label: str | None,
    ) -> _Columns:
        of_field = {field: field for field in fields}
        for field, column in (("text", text), ("text_pair", text_pair), ("label", label)):
            if field in of_field:
                of_field[field] = column or field
            elif column not in {None, field}:
                known = ", ".join(fields)
                raise InputError(
                    f"a {field} column is named, but examples of {head_class.kind!r} have no "
                    f"{field}; they have: {known}."
                )
        example_class = head_class.Example
        needed = {name for name in fields if example_class.model_fields[name].is_required()}
        needed |= set(fields).intersection(example_class.target_fields)
        return cls(
            of_field, frozenset(needed | ({"text_pair"} if text_pair is not None else set()))
        )


def _read(path: Path, head_class: type[Head], columns: _Columns) -> list[Example]:
    examples = [_example(path, record, head_class, columns) for record in read_records(path)]
    if not examples:
        raise DataError(path, "holds no example.")
    return examples


def _example(path: Path, record: Record, head_class: type[Head], columns: _Columns) -> Example:
    fields: dict[str, object] = {}
    for field, column in columns.of_field.items():
        value = record.values.get(column)
        if isinstance(value, str):
            _check_unicode(path, record, column, value)
        if value is not None and not (isinstance(value, str) and not value.strip()):
            fields[field] = value
        elif field in columns.needed:
            raise _missing(path, record, field, column)
    try:
        return head_class.Example.model_validate(fields)
    except ValidationError as error:
        message = f"not an example of {head_class.kind!r}: {explain(error)}."
        raise DataError(path, message, record.line) from None


def _missing(path: Path, record: Record, field: str, column: str) -> DataError:
    if column not in record.values:
        there = ", ".join(map(repr, record.values)) or "none"
        option = f"{field}_column (--{field.replace('_', '-')}-column)"
        remedy = f" Name another with {option}." if field in {"text", "text_pair", "label"} else ""
        message = f"no column {column!r}; there are: {there}.{remedy}"
        return DataError(path, message, record.names_line)
    state = "null" if record.values[column] is None else "empty"
    return DataError(path, f"the {field} (column {column!r}) is {state}.", record.line)


def _check_unicode(path: Path, record: Record, column: str, text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        message = f"column {column!r} holds half of a surrogate pair; it is not Unicode."
        raise DataError(path, message, record.line) from None
