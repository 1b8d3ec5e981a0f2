"""`polyhead push`: a saved task, adapter or head to the hub."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from polyhead.cli.options import JsonOption
from polyhead.cli.output import note, print_json, print_line

__all__ = ["push"]

_CARD = "Model card"


def push(
    *,
    place: Annotated[
        Path,
        typer.Argument(
            metavar="PATH",
            help="Folder of a task or of several, or an adapter's or head's file.",
        ),
    ],
    repo: Annotated[
        str,
        typer.Argument(metavar="OWNER/NAME", help="Repository; OWNER/NAME/FOLDER for a folder."),
    ],
    subfolder: Annotated[
        str | None, typer.Option("--subfolder", help="Folder in the repository.")
    ] = None,
    private: Annotated[
        bool, typer.Option("--private", help="Make the repository a private one.")
    ] = False,
    revision: Annotated[
        str | None, typer.Option("--revision", help="Branch; made where it is missing.")
    ] = None,
    message: Annotated[str | None, typer.Option("--message", help="Of the commit.")] = None,
    create_pr: Annotated[bool, typer.Option("--pr", help="Propose it as a pull request.")] = False,
    overwrite_card: Annotated[
        bool,
        typer.Option(
            "--overwrite-card",
            help="Replace a README.md on the hub that somebody wrote.",
            rich_help_panel=_CARD,
        ),
    ] = False,
    license_id: Annotated[
        str | None,
        typer.Option("--license", help="As the hub names it, such as mit.", rich_help_panel=_CARD),
    ] = None,
    language: Annotated[
        list[str] | None,
        typer.Option(
            "--language", help="Of its texts, such as en; may be repeated.", rich_help_panel=_CARD
        ),
    ] = None,
    dataset: Annotated[
        list[str] | None,
        typer.Option(
            "--dataset",
            help="On the hub, that it learnt from; may be repeated.",
            rich_help_panel=_CARD,
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Put a saved task, adapter or head on the hub, with a card made from its manifest.

    Only its own files are sent, and only those that the hub does not have yet. The token is the one
    of `hf auth login`, or HF_TOKEN.
    """
    from polyhead.hub import push as push_to_hub

    pushed = push_to_hub(
        place,
        repo,
        subfolder=subfolder,
        private=private,
        revision=revision,
        message=message,
        create_pr=create_pr,
        overwrite_card=overwrite_card,
        license=license_id,
        language=language or (),
        datasets=dataset or (),
    )
    for remark in pushed.remarks:
        note(remark)
    if pushed.left_out:
        note(f"Not pushed, since no part of it: {', '.join(pushed.left_out)}.")
    if not pushed.files:
        note("The hub has it already; nothing was sent.")
    if as_json:
        print_json(asdict(pushed))
    else:
        print_line(pushed.url)
