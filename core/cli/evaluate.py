"""`polyhead evaluate`: how good a saved task is on labelled texts."""

from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from polyhead.cli.loading import BackboneSource, load_tasks
from polyhead.cli.location import labelled_question
from polyhead.cli.options import (
    CacheDirOption,
    ColumnOption,
    JsonOption,
    LabelColumnOption,
    OfflineOption,
    OptionalBackboneOption,
    PrecisionOption,
    RevisionOption,
    TextColumnOption,
    TextPairColumnOption,
    columns_of,
)
from polyhead.cli.output import print_json, print_table
from polyhead.cli.truncation import count_cut, note_cut
from polyhead.errors import InputError

__all__ = ["evaluate"]


def evaluate(
    *,
    task: Annotated[Path, typer.Option("--task", help="Folder of the task.")],
    data: Annotated[Path, typer.Option("--data", help="Labelled texts: JSONL, CSV or TSV.")],
    column: ColumnOption = None,
    text_column: TextColumnOption = None,
    text_pair_column: TextPairColumnOption = None,
    label_column: LabelColumnOption = None,
    backbone: OptionalBackboneOption = None,
    revision: RevisionOption = None,
    cache_dir: CacheDirOption = None,
    offline: OfflineOption = False,
    precision: PrecisionOption = "float32",
    as_json: JsonOption = False,
) -> None:
    """Measure a task on labelled texts."""
    from polyhead.artifact import HEAD_FILE, read_task
    from polyhead.model.loading import head_class_of
    from polyhead.train import evaluate as measure
    from polyhead.train import read_examples

    columns = columns_of(column, text=text_column, text_pair=text_pair_column, label=label_column)
    head_class = head_class_of(read_task(task).head, task / HEAD_FILE)
    examples = read_examples(data, head_class, columns=columns)
    source = BackboneSource(backbone, revision, cache_dir, offline, precision)
    model, [name] = load_tasks([task], source)
    question = labelled_question(model, name, examples, data)
    with suppress(InputError):  # one alone may lack what all of them have
        measure(model, name, examples[:1])  # what it needs and is not there shows at once
    metrics = measure(model, name, examples)
    note_cut(question.task, count_cut(question.encoded), len(examples))
    if as_json:
        print_json({"task": name, "data": str(data), "examples": len(examples), "metrics": metrics})
        return
    print_table(
        ["metric", name],
        [
            *([key, f"{value:.4f}"] for key, value in metrics.items()),
            ["examples", str(len(examples))],
        ],
        right=[name],
    )
