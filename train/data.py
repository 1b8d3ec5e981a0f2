"""Examples out of data files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Union, get_args, get_origin

from pydantic import ValidationError

from polyhead.contracts import explain
from polyhead.errors import DataError, InputError
from polyhead.records import Record, RecordFields, read_records

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
        fields: Where its examples' fields are.
    """

    head_class: type[Head]
    fields: RecordFields

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
        where = RecordFields(
            {name: columns.get(name, name) for name in read},
            needed=frozenset(required | columns.keys()),
            texts=frozenset(name for name in read if _is_text(fields[name].annotation)),
            targets=tuple(targets) if labelled else (),
        )
        return cls(head_class, where)

    def example(self, path: str | Path, record: Record) -> Example:
        """The example that a record holds.

        Args:
            path: The file the record is from, for messages.
            record: One of its records.

        Raises:
            DataError: It holds none.
        """
        fields = self.fields.of(path, record)
        try:
            return self.head_class.Example.model_validate(fields)
        except ValidationError as error:
            message = f"not an example of {self.head_class.kind!r}: {explain(error)}."
            raise DataError(path, message, record.line) from None


def _is_text(annotation: object) -> bool:
    """Whether a value of this type may be a text."""
    if get_origin(annotation) in {Annotated, Union, UnionType}:
        return any(_is_text(part) for part in get_args(annotation))
    return annotation is str
