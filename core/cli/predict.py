"""`polyhead predict`: answers of any saved tasks for texts, files and pipes."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from polyhead.cli.answering import Answer, Answerer, LocalAnswerer, head_classes
from polyhead.cli.answering_server import ServerAnswerer
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
from polyhead.cli.keys import keys_of
from polyhead.cli.loading import BackboneSource, load_tasks
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
from polyhead.errors import InputError

if TYPE_CHECKING:
    from polyhead.client import Client

__all__ = ["predict"]

_FILES = "Files"
_SERVER = "Server"
_KEY_VARIABLE = "POLYHEAD_API_KEY"
_RETRIES = 5
"""Of what a server refuses for now, or that does not reach it: enough for one that restarts."""
_SHOWN_CHARACTERS = 200
"""Of a text in a table; JSON has all of it."""


def predict(
    *,
    texts: Annotated[list[str] | None, typer.Argument(metavar="TEXT", help="Texts.")] = None,
    task: Annotated[
        list[str],
        typer.Option(
            "--task",
            help="Folder of a task, or its name with --server; give it once for each task.",
        ),
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
    server: Annotated[
        str | None,
        typer.Option(
            "--server",
            metavar="URL",
            help="A running polyhead serve that answers in place of this process.",
            rich_help_panel=_SERVER,
        ),
    ] = None,
    api_key_file: Annotated[
        Path | None,
        typer.Option(
            "--api-key-file",
            help=f"The server's key in a file; without it, that of {_KEY_VARIABLE}.",
            rich_help_panel=_SERVER,
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Answer texts with one task or several; all of them share one backbone and one pass.

    With --json, --input or --output the answers are JSON lines, in the order of the texts.
    """
    check_target(output, overwrite=overwrite)
    columns = columns_of(column, text=text_column, text_pair=text_pair_column)
    items = _items(texts or [], text_pair, source)
    place = None if source is None else place_of(source)
    answerer: Answerer
    if server is None:
        _refuse_without_server(api_key_file)
        model, names = load_tasks(
            [Path(name) for name in task],
            BackboneSource(backbone, revision, cache_dir, offline, precision),
        )
        if source is None:
            for name, head_class in head_classes(model, names).items():
                check_askable(name, head_class, 1 if text_pair is None else 2)
        answerer = LocalAnswerer(model, names, columns, place)
        _answer(answerer, items, place, output, as_json=as_json)
        return
    _refuse_with_server(backbone, revision, cache_dir, precision, offline=offline)
    with _client(server, api_key_file) as client:
        answerer = ServerAnswerer(client, task, columns, place)
        _answer(answerer, items, place, output, as_json=as_json)


def _client(url: str, api_key_file: Path | None) -> "Client":
    from polyhead.client import Client

    key = next(iter(keys_of(api_key_file, _KEY_VARIABLE)), None)
    return Client(url, api_key=key, retries=_RETRIES)


def _refuse_without_server(api_key_file: Path | None) -> None:
    if api_key_file is not None:
        raise InputError("--api-key-file is for a server; name one with --server.")


def _refuse_with_server(
    backbone: str | None,
    revision: str | None,
    cache_dir: Path | None,
    precision: str,
    *,
    offline: bool,
) -> None:
    given = {
        "--backbone": backbone is not None,
        "--revision": revision is not None,
        "--cache-dir": cache_dir is not None,
        "--offline": offline,
        "--precision": precision != "float32",
    }
    odd = next((option for option, is_given in given.items() if is_given), None)
    if odd is not None:
        raise InputError(f"{odd} was decided when the server was started; leave it out.")


def _answer(
    answerer: "Answerer",
    items: Iterator[Item],
    place: str | None,
    output: Path | None,
    *,
    as_json: bool,
) -> None:
    """Has the items answered, and writes or shows that.

    Args:
        answerer: Who is asked.
        items: What to ask.
        place: Where they come from, if not from the command line.
        output: The file for the answers.
        as_json: Whether standard output gets JSON lines.
    """
    started = time.perf_counter()
    n_texts = 0
    answered = ((chunk, answerer.answers(chunk)) for chunk in chunks(items))
    if place is None and output is None and not as_json:
        _show(answerer.tasks, answered)
    else:
        with line_writer(output) as write:
            for chunk, answers in answered:
                n_texts += len(chunk)
                write(map(json_line, chunk, answers))
    answerer.tell()
    if place is not None:
        note(f"{n_texts} texts in {time.perf_counter() - started:.1f} s.")


def _items(texts: Sequence[str], text_pair: str | None, source: Path | None) -> Iterator[Item]:
    if source is None:
        return _items_of_arguments(texts, text_pair)
    if texts or text_pair is not None:
        raise InputError("texts are given as arguments and with --input; give one of them.")
    return items_of_file(source)


def _items_of_arguments(texts: Sequence[str], text_pair: str | None) -> Iterator[Item]:
    if not texts:
        raise InputError("there is no text; give some as arguments, or a file with --input.")
    if text_pair is None:
        return iter([Item({"text": text}, text) for text in texts])
    if len(texts) > 1:
        raise InputError("--text-pair goes with one text; put several pairs in a file for --input.")
    return iter([Item({"text": texts[0], "text_pair": text_pair}, (texts[0], text_pair))])


def _text_cell(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 3] + "..."


def _show(
    tasks: Sequence[str],
    answered: Iterable[tuple[Sequence[Item], Sequence[Mapping[str, Answer]]]],
) -> None:
    rows = [
        [_text_cell(" | ".join(item.values.values())), *(str(found[name]) for name in tasks)]
        for chunk, answers in answered
        for item, found in zip(chunk, answers, strict=True)
    ]
    print_table(["text", *tasks], rows)
