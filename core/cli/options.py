"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

from polyhead.errors import InputError

__all__ = [
    "BackboneOption",
    "CacheDirOption",
    "ColumnOption",
    "JsonOption",
    "LabelColumnOption",
    "OfflineOption",
    "OptionalBackboneOption",
    "PrecisionOption",
    "RevisionOption",
    "TextColumnOption",
    "TextPairColumnOption",
    "columns_of",
]

_COLUMNS = "Columns"
_BACKBONE = "Backbone"
_BACKBONE_HELP = "Checkpoint folder, named backbone or hub id"

JsonOption = Annotated[
    bool, typer.Option("--json", help="Print the result as JSON on standard output.")
]
ColumnOption = Annotated[
    list[str] | None,
    typer.Option(
        "--column",
        metavar="FIELD=NAME",
        help="Where a field of the examples is, when its column has another name; give it once "
        "for each field.",
        rich_help_panel=_COLUMNS,
    ),
]
TextColumnOption = Annotated[
    str | None,
    typer.Option("--text-column", help="Short for --column text=NAME.", rich_help_panel=_COLUMNS),
]
TextPairColumnOption = Annotated[
    str | None,
    typer.Option(
        "--text-pair-column",
        help="Short for --column text_pair=NAME: the second text of a pair.",
        rich_help_panel=_COLUMNS,
    ),
]
LabelColumnOption = Annotated[
    str | None,
    typer.Option("--label-column", help="Short for --column label=NAME.", rich_help_panel=_COLUMNS),
]
BackboneOption = Annotated[
    str, typer.Option("--backbone", help=f"{_BACKBONE_HELP}.", rich_help_panel=_BACKBONE)
]
OptionalBackboneOption = Annotated[
    str | None,
    typer.Option(
        "--backbone",
        help=f"{_BACKBONE_HELP}; without it, the one that the task names.",
        rich_help_panel=_BACKBONE,
    ),
]
RevisionOption = Annotated[
    str | None,
    typer.Option("--revision", help="Branch, tag or commit on the hub.", rich_help_panel=_BACKBONE),
]
CacheDirOption = Annotated[
    Path | None,
    typer.Option("--cache-dir", help="Where downloads are kept.", rich_help_panel=_BACKBONE),
]
OfflineOption = Annotated[
    bool,
    typer.Option(
        "--offline", help="Use downloaded files only, ask no hub.", rich_help_panel=_BACKBONE
    ),
]
PrecisionOption = Annotated[
    str,
    typer.Option(
        "--precision",
        help="What the encoder's products are computed in: float32, int8, or bfloat16 where the "
        "processor has it. Tasks fit all of them.",
        rich_help_panel=_BACKBONE,
    ),
]


def columns_of(
    given: list[str] | None,
    *,
    text: str | None = None,
    text_pair: str | None = None,
    label: str | None = None,
) -> dict[str, str]:
    """The column of each field that one is named for.

    Args:
        given: What --column gave, each of the form FIELD=NAME.
        text: What --text-column gave.
        text_pair: What --text-pair-column gave.
        label: What --label-column gave.

    Raises:
        InputError: One is not of that form, or a field has two.
    """
    pairs = [entry.partition("=") for entry in given or ()]
    odd = next((entry for entry in pairs if not all(entry)), None)
    if odd is not None:
        raise InputError(f"--column {''.join(odd)} is not of the form FIELD=NAME.")
    short = {"text": text, "text_pair": text_pair, "label": label}
    named = [(field, name) for field, _, name in pairs]
    named += [(field, name) for field, name in short.items() if name is not None]
    columns = dict(named)
    if len(columns) < len(named):
        twice = next(field for field in columns if [f for f, _ in named].count(field) > 1)
        raise InputError(f"two columns are named for the field {twice!r}; name one.")
    return columns
