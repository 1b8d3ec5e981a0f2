"""The line of a data file that holds an example which a head refuses."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

from polyhead.errors import DataError, InputError

__all__ = ["line_of_record", "located"]


@contextmanager
def located(source: Path | str | None, lines: Sequence[int | None] | None = None) -> Iterator[None]:
    """Inside, a refused example is reported with its file and line.

    Args:
        source: The file the examples come from; None leaves errors as they are.
        lines: Each example's line; None where they are all records of the file, in its order.

    Raises:
        DataError: In place of an InputError that names one of the examples.
    """
    try:
        yield
    except InputError as error:
        if source is None or error.index is None:
            raise
        index = error.index
        line = line_of_record(Path(source), index) if lines is None else lines[index]
        raise DataError(source, error.reason, line) from None


def line_of_record(path: Path, number: int) -> int:
    """The line of a file's record of that number, counted from 0."""
    from polyhead.train.records import read_records

    return next(islice(read_records(path), number, None)).line
