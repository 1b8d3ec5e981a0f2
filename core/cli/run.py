"""`polyhead run`: texts of a pipe or a file through a pipeline, as in the DistilBERT documents."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from polyhead.cli.bulk import STREAM, Item, line_writer, place_of
from polyhead.cli.lines import items_of_lines
from polyhead.cli.location import located
from polyhead.cli.options import (
    CacheDirOption,
    JsonOption,
    OfflineOption,
    PrecisionOption,
    RevisionOption,
)
from polyhead.cli.output import print_table
from polyhead.errors import DataError

if TYPE_CHECKING:
    from polyhead.pipelines import Pipeline

__all__ = ["run"]

_CHUNK = 64
"""Texts that are answered together where no batch size is given, as a stream of a pipeline."""
_SHOWN_CHARACTERS = 200
"""Of a text in a table; JSON has all of it."""


def run(
    *,
    model: Annotated[
        str,
        typer.Option("--model", help="Checkpoint folder, hub id, named backbone or task folder."),
    ],
    task: Annotated[
        str | None,
        typer.Option(
            "--task",
            help="text-classification, token-classification, question-answering, fill-mask or "
            "feature-extraction; without it, the one that the model is for.",
        ),
    ] = None,
    tokenizer: Annotated[
        str | None, typer.Option("--tokenizer", help="Its folder, where it is not the model's.")
    ] = None,
    source: Annotated[
        Path,
        typer.Option(
            "--input",
            help="Texts in a file: one a line, or JSONL, CSV or TSV; '-' is standard input.",
        ),
    ] = STREAM,
    device: Annotated[
        str | None,
        typer.Option(
            "--device", help="'cpu', 'cuda', or the number of a GPU; the first GPU if there is one."
        ),
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option("--batch-size", min=1, help="Rows that are computed at once.")
    ] = None,
    revision: RevisionOption = None,
    cache_dir: CacheDirOption = None,
    offline: OfflineOption = False,
    precision: PrecisionOption = "float32",
    as_json: JsonOption = False,
) -> None:
    """Answer texts with a pipeline: lines of standard input, or a file.

    For question-answering a line is a JSON object with "question" and "context", or the two with a
    tab between. With --json each line of the result is one JSON object.
    """
    from polyhead.machine import limit_threads
    from polyhead.pipelines import pipeline

    limit_threads()
    asked = pipeline(
        task,
        model=model,
        tokenizer=tokenizer,
        device=_number_or_name(device),
        revision=revision,
        cache_dir=cache_dir,
        local_files_only=offline,
        batch_size=batch_size,
        precision=precision,
    )
    answers = _answers(asked, source, batch_size or _CHUNK)
    if as_json:
        with line_writer(None) as write:
            for item, answer in answers:
                line = {**item.values, "result": answer}
                write([json.dumps(line, ensure_ascii=False)])
        return
    rows = [[_text_cell(item, asked), _in_words(answer)] for item, answer in answers]
    print_table([" | ".join(asked.input_names[:1]), asked.task], rows)


def _number_or_name(device: str | None) -> int | str | None:
    """A device as `pipeline` takes it: "0" and "-1" are numbers."""
    is_number = device is not None and device.removeprefix("-").isdecimal()
    return int(device) if is_number and device is not None else device


def _answers(asked: "Pipeline", source: Path, chunk_size: int) -> Iterator[tuple[Item, Any]]:
    """Each input with its answer, in order, as they are asked for."""
    from polyhead.pipelines.inputs import chunks

    n_items = 0
    for chunk in chunks(items_of_lines(source, asked.input_names), chunk_size):
        with located(place_of(source), [item.line for item in chunk]):
            # as a stream: a list of one text would in some pipelines not be answered by a list
            found = list(asked(iter([item.example for item in chunk])))
        n_items += len(chunk)
        yield from zip(chunk, found, strict=True)
    if not n_items:
        raise DataError(place_of(source), "holds no text.")


def _text_cell(item: Item, asked: "Pipeline") -> str:
    text = str(item.values[asked.input_names[0]])
    return text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 3] + "..."


def _in_words(answer: Any) -> str:
    """An answer in a few words, as a table shows it."""
    if isinstance(answer, dict):
        return _one_in_words(answer)
    if not answer:
        return "nothing"
    if isinstance(answer[0], dict):
        return ", ".join(_one_in_words(found) for found in answer)
    if isinstance(answer[0][0], dict):  # several masks
        return " | ".join(_in_words(found) for found in answer)
    return f"{len(answer[0])} x {len(answer[0][0])} numbers"


def _one_in_words(answer: dict[str, Any]) -> str:
    if "word" in answer:
        return f"{answer['word']} ({answer.get('entity', answer.get('entity_group'))})"
    names = ("label", "answer", "token_str")
    text = next(str(answer[name]) for name in names if name in answer)
    return f"{text or 'no answer'} ({answer['score']:.2f})"
