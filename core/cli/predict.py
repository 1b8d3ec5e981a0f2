"""`polyhead predict`: answers of any saved tasks for texts, files and pipes."""

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from polyhead.cli.asking import check_askable
from polyhead.cli.bulk import (
    Item,
    check_target,
    chunks,
    items_of_file,
    json_line,
    line_writer,
    place_of,
)
from polyhead.cli.loading import BackboneSource, load_tasks
from polyhead.cli.location import located
from polyhead.cli.options import (
    CacheDirOption,
    ColumnOption,
    JsonOption,
    OfflineOption,
    OptionalBackboneOption,
    PrecisionOption,
    RevisionOption,
    TextColumnOption,
    TextPairColumnOption,
    columns_of,
)
from polyhead.cli.output import note, print_table
from polyhead.cli.serve_events import ServeEvents
from polyhead.cli.truncation import count_cut, note_cut
from polyhead.errors import InputError

if TYPE_CHECKING:
    from polyhead.contracts import Head, Prediction
    from polyhead.model import DistilBertModelWithHeads
    from polyhead.train import ExampleReader

__all__ = ["predict"]

_FILES = "Files"
_SHOWN_CHARACTERS = 200
"""Of a text in a table; JSON has all of it."""


def predict(
    *,
    texts: Annotated[list[str] | None, typer.Argument(metavar="TEXT", help="Texts.")] = None,
    task: Annotated[
        list[Path], typer.Option("--task", help="Folder of a task; give it once for each task.")
    ],
    text_pair: Annotated[
        str | None,
        typer.Option(
            "--text-pair", help="The second text: of a pair, or the context of a question."
        ),
    ] = None,
    source: Annotated[
        Path | None,
        typer.Option(
            "--input",
            help="Texts in a file: JSONL, CSV or TSV; '-' reads JSON lines from standard input.",
            rich_help_panel=_FILES,
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            help="File for the answers, one JSON object a line; standard output without it.",
            rich_help_panel=_FILES,
        ),
    ] = None,
    overwrite: Annotated[
        bool,
        typer.Option("--overwrite", help="Replace the output file.", rich_help_panel=_FILES),
    ] = False,
    column: ColumnOption = None,
    text_column: TextColumnOption = None,
    text_pair_column: TextPairColumnOption = None,
    backbone: OptionalBackboneOption = None,
    revision: RevisionOption = None,
    cache_dir: CacheDirOption = None,
    offline: OfflineOption = False,
    precision: PrecisionOption = "float32",
    as_json: JsonOption = False,
) -> None:
    """Answer texts with one task or several; all of them share one backbone and one pass.

    With --json, --input or --output the answers are JSON lines, in the order of the texts.
    """
    check_target(output, overwrite=overwrite)
    columns = columns_of(column, text=text_column, text_pair=text_pair_column)
    if source is None:
        items = _items_of_arguments(texts or [], text_pair)
    elif texts or text_pair is not None:
        raise InputError("texts are given as arguments and with --input; give one of them.")
    else:
        items = items_of_file(source)
    model, tasks = load_tasks(
        task, BackboneSource(backbone, revision, cache_dir, offline, precision)
    )
    if source is None:
        for name, head_class in _head_classes(model, tasks).items():
            check_askable(name, head_class, 1 if text_pair is None else 2)
    run = _Run(model, tasks, columns, None if source is None else place_of(source))
    if source is None and output is None and not as_json:
        _show(tasks, run.answers(items))
    else:
        with line_writer(output) as write:
            for chunk in run.answers(items):
                write(json_line(item, answers) for item, answers in chunk)
    run.tell()


def _items_of_arguments(texts: Sequence[str], text_pair: str | None) -> Iterator[Item]:
    if not texts:
        raise InputError("there is no text; give some as arguments, or a file with --input.")
    if text_pair is None:
        return iter([Item({"text": text}, text) for text in texts])
    if len(texts) > 1:
        raise InputError("--text-pair goes with one text; put several pairs in a file for --input.")
    return iter([Item({"text": texts[0], "text_pair": text_pair}, (texts[0], text_pair))])


class _Run:
    """Answers items, and counts what there is to say about them."""

    def __init__(
        self,
        model: "DistilBertModelWithHeads",
        tasks: Sequence[str],
        columns: Mapping[str, str],
        source: str | None,
    ) -> None:
        self._model = model
        self._readers = {} if source is None else _readers(model, tasks, columns)
        self._tasks = tasks
        self._source = source
        self._events = ServeEvents(model, tasks, "predict")
        self._n_texts = 0
        self._n_cut: dict[str, int] = dict.fromkeys(tasks, 0)
        self._started = time.perf_counter()

    def answers(
        self, items: Iterator[Item]
    ) -> Iterator[list[tuple[Item, "Mapping[str, Prediction]"]]]:
        """Each item with each task's answer, a chunk at a time."""
        for chunk in chunks(items):
            lines = [item.line for item in chunk]
            with located(self._source, lines), self._events.batch(len(chunk)) as questions:
                questions.extend(
                    self._model.questions(
                        {name: [self._example(name, one) for one in chunk] for name in self._tasks}
                    )
                )
                # here too: some heads find only in answering that an example asks nothing
                found = self._model.answer(questions)
            for question in questions:
                self._n_cut[question.task.name] += count_cut(question.encoded)
            self._n_texts += len(chunk)
            yield [
                (item, {name: found[name][place] for name in self._tasks})
                for place, item in enumerate(chunk)
            ]

    def tell(self) -> None:
        """Remarks at the end."""
        for name, n_cut in self._n_cut.items():
            note_cut(self._model.tasks[name], n_cut, self._n_texts)
        if self._source is not None:
            seconds = time.perf_counter() - self._started
            note(f"{self._n_texts} texts in {seconds:.1f} s.")

    def _example(self, task: str, item: Item) -> object:
        from polyhead.train.records import Record

        if self._source is None or not isinstance(item.example, Record):
            return item.example
        return self._readers[task].example(self._source, item.example)


def _readers(
    model: "DistilBertModelWithHeads", tasks: Sequence[str], columns: Mapping[str, str]
) -> "dict[str, ExampleReader]":
    """How each task's examples are read; a named column counts for the tasks that have the field.

    Raises:
        InputError: A column is named for a field that none of them has.
    """
    from polyhead.train import ExampleReader

    classes = _head_classes(model, tasks)
    known = {field for head in classes.values() for field in head.Example.model_fields}
    odd = next((field for field in columns if field not in known), None)
    if odd is not None:
        raise InputError(
            f"a column is named for {odd!r}, a field that none of the tasks reads; they read: "
            f"{', '.join(sorted(known))}."
        )
    return {
        name: ExampleReader.of(
            head,
            {
                field: column
                for field, column in columns.items()
                if field in head.Example.model_fields
            },
            labelled=False,
        )
        for name, head in classes.items()
    }


def _head_classes(
    model: "DistilBertModelWithHeads", tasks: Sequence[str]
) -> "dict[str, type[Head]]":
    return {name: type(model.heads[model.tasks[name].head]) for name in tasks}


def _text_cell(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 3] + "..."


def _show(
    tasks: Sequence[str],
    answers: Iterator[list[tuple[Item, "Mapping[str, Prediction]"]]],
) -> None:
    rows = [
        [
            _text_cell(" | ".join(item.values.values())),
            *(str(found[name]) for name in tasks),
        ]
        for chunk in answers
        for item, found in chunk
    ]
    print_table(["text", *tasks], rows)
