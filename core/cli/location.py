"""Examples of data files, and the line of one that a head refuses."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from polyhead.errors import DataError, InputError
from polyhead.records import read_records

if TYPE_CHECKING:
    from polyhead.contracts import Example
    from polyhead.model import DistilBertModelWithHeads
    from polyhead.model.prediction import Question

__all__ = ["labelled_question", "line_of_record", "located"]


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
    return next(islice(read_records(path), number, None)).line


def labelled_question(
    model: "DistilBertModelWithHeads",
    task: str,
    examples: "Sequence[Example]",
    source: Path | None,
) -> "Question":
    """Examples to learn from or to measure by, as the task's head reads them.

    Args:
        model: It has the task.
        task: The task's name.
        examples: All of a file.
        source: The file; None where they are from none.

    Raises:
        DataError: The head refuses one, or finds nothing in it to compare an answer with.
    """
    with located(source):
        [question] = model.questions({task: examples})
        for number, item in enumerate(question.encoded):
            if item.target is None:
                there = ", ".join(sorted(item.example.model_fields_set))
                raise InputError(
                    f"the example has {there} alone, and nothing to compare an answer with; "
                    f"polyhead heads {question.head.kind} tells what may be there.",
                    index=number,
                )
    return question
