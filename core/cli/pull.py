"""`polyhead pull`: a task, adapter or head from the hub; another library's is converted."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from polyhead.cli.loading import BackboneSource
from polyhead.cli.options import CacheDirOption, JsonOption, OfflineOption
from polyhead.cli.output import note, print_json, print_line

if TYPE_CHECKING:
    from polyhead.hub import Pulled

__all__ = ["pull"]

_FORMATS = {"adapters": "adapterhub", "peft": "peft"}
"""What the converter calls the libraries."""


def pull(
    *,
    repo: Annotated[
        str,
        typer.Argument(metavar="OWNER/NAME", help="Repository; OWNER/NAME/FOLDER for a folder."),
    ],
    folder: Annotated[
        Path | None,
        typer.Argument(metavar="[DST]", help="Where to; a folder of that name here without it."),
    ] = None,
    subfolder: Annotated[
        str | None, typer.Option("--subfolder", help="Folder in the repository.")
    ] = None,
    revision: Annotated[
        str | None, typer.Option("--revision", help="Branch, tag or commit.")
    ] = None,
    backbone: Annotated[
        str | None,
        typer.Option(
            "--backbone",
            help="Convert what the libraries adapters and peft saved, for this checkpoint folder, "
            "named backbone or hub id.",
        ),
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", help="What to call it, with --backbone.")
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace what lies at DST.")
    ] = False,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Fetch what the cache already has.")
    ] = False,
    cache_dir: CacheDirOption = None,
    offline: OfflineOption = False,
    as_json: JsonOption = False,
) -> None:
    """Fetch a task, adapter or head from the hub; what is damaged does not come to its place."""
    from polyhead.encoder import HubOptions
    from polyhead.hub import FOREIGN, parse_address, pull_checked

    address = parse_address(repo, subfolder)
    place = Path(address.name) if folder is None else folder
    options = HubOptions(revision, cache_dir, offline)
    if backbone is None:
        pulled = pull_checked(address, place, options, overwrite=overwrite, fresh=fresh)
    else:
        pulled = pull_checked(address, None, options, fresh=fresh, foreign=True)
        if pulled.kind in FOREIGN:
            source = BackboneSource(backbone, cache_dir=cache_dir, offline=offline)
            files = _convert(pulled, place, source, name, overwrite=overwrite)
            pulled = replace(pulled, files=files)
        else:
            note(f"{address} is polyhead's own: there is nothing to convert.")
            pulled = pull_checked(address, place, options, overwrite=overwrite)
    if as_json:
        fields = {"folder": str(place), "kind": pulled.kind, "commit": pulled.commit}
        print_json({**fields, "files": list(pulled.files)})
    else:
        print_line(str(place))


def _convert(
    pulled: "Pulled", place: Path, source: "BackboneSource", name: str | None, *, overwrite: bool
) -> tuple[str, ...]:
    """Writes what another library saved as our own; its files."""
    from polyhead.convert.converting import convert_folder

    done = convert_folder(
        pulled.folder,
        place,
        backbone=source.load("minilm"),
        source_format=_FORMATS[pulled.kind],
        name=name,
        overwrite=overwrite,
    )
    for remark in done.notes:
        note(remark)
    return done.files
