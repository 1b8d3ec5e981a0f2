"""The line of a data file that holds the text or label which a head refuses."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from polyhead.errors import DataError, InputError

if TYPE_CHECKING:
    from polyhead.model import DistilBertModelWithHeads

__all__ = ["line_of_record", "located"]

_NUMBERED = re.compile(r"^((?:second )?text|row) 1\b")


@contextmanager
def located(
    model: "DistilBertModelWithHeads",
    tasks: Sequence[str],
    examples: Sequence[object],
    source: Path | str | None,
    lines: Sequence[int | None] | None = None,
) -> Iterator[None]:
    """Inside, a refused text or label is reported with its file and line.

    Nothing is done unless something is refused; the examples are then read again, one by one.

    Args:
        model: It has the tasks.
        tasks: Their names.
        examples: What the tasks' heads read inside.
        source: The file they come from; None leaves errors as they are.
        lines: Each example's line; None where they are all records of the file, in its order.

    Raises:
        DataError: In place of an InputError that one example causes by itself.
    """
    try:
        yield
    except DataError:
        raise
    except InputError:
        if source is None:
            raise
        for number, example in enumerate(examples):
            reason = _refusal(model, tasks, example)
            if reason is not None:
                line = line_of_record(Path(source), number) if lines is None else lines[number]
                raise DataError(source, reason, line) from None
        raise


def line_of_record(path: Path, number: int) -> int:
    """The line of a file's record of that number, counted from 0."""
    from polyhead.train.records import read_records

    return next(islice(read_records(path), number, None)).line


def _refusal(
    model: "DistilBertModelWithHeads", tasks: Sequence[str], example: object
) -> str | None:
    for name in tasks:
        task = model.tasks[name]
        head = model.heads[task.head]
        try:
            head.encode([head.parse(example)], model.text_tokenizer(task))
        except InputError as error:
            # it is the first of one here, and the line says which it is
            return _NUMBERED.sub(r"the \1", str(error))
    return None
