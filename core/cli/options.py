"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

__all__ = [
    "BackboneOption",
    "CacheDirOption",
    "JsonOption",
    "LabelColumnOption",
    "OfflineOption",
    "OptionalBackboneOption",
    "RevisionOption",
    "TextColumnOption",
    "TextPairColumnOption",
]

_COLUMNS = "Columns"
_BACKBONE = "Backbone"
_BACKBONE_HELP = "Checkpoint folder, named backbone or hub id"

JsonOption = Annotated[
    bool, typer.Option("--json", help="Print the result as JSON on standard output.")
]
TextColumnOption = Annotated[
    str, typer.Option("--text-column", help="Where the text is.", rich_help_panel=_COLUMNS)
]
TextPairColumnOption = Annotated[
    str | None,
    typer.Option(
        "--text-pair-column",
        help="Where the second text is, for tasks on pairs.",
        rich_help_panel=_COLUMNS,
    ),
]
LabelColumnOption = Annotated[
    str, typer.Option("--label-column", help="Where the label is.", rich_help_panel=_COLUMNS)
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
