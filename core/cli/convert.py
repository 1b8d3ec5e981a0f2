"""`polyhead convert`: adapters and heads of other libraries, in and out."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from polyhead.cli.options import CacheDirOption, JsonOption, OfflineOption, RevisionOption
from polyhead.cli.output import note, print_json, print_line

if TYPE_CHECKING:
    from polyhead.convert.converting import Converted
    from polyhead.model import DistilBertModelWithHeads

__all__ = ["convert"]

FormatName = Literal["polyhead", "adapterhub", "peft", "transformers"]


def convert(
    *,
    source: Annotated[
        Path, typer.Argument(metavar="SRC", help="Folder with an adapter, a head or both.")
    ],
    folder: Annotated[Path, typer.Argument(metavar="DST", help="Where to write the result.")],
    backbone: Annotated[
        str | None,
        typer.Option(
            "--backbone",
            help="Checkpoint folder, named backbone or hub id that SRC was trained on; for a "
            "folder of polyhead, the one that it names.",
        ),
    ] = None,
    source_format: Annotated[
        FormatName | None,
        typer.Option("--from", help="The format of SRC; found by looking when not given."),
    ] = None,
    target_format: Annotated[
        FormatName, typer.Option("--to", help="The format of DST.")
    ] = "polyhead",
    name: Annotated[
        str | None,
        typer.Option("--name", help="What to call the adapter and the head; their own names else."),
    ] = None,
    weights: Annotated[
        Literal["bin", "safetensors"] | None,
        typer.Option("--weights", help="The kind of weight file; the library's usual one else."),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace files of the same names at DST.")
    ] = False,
    revision: RevisionOption = None,
    cache_dir: CacheDirOption = None,
    offline: OfflineOption = False,
    as_json: JsonOption = False,
) -> None:
    """Convert adapters and heads from and to AdapterHub adapters, PEFT and transformers."""
    from polyhead.convert.converting import convert_folder
    from polyhead.convert.formats import format_of

    found = format_of(source, source_format)  # before a backbone is loaded
    model = _model(backbone, revision, cache_dir, offline=offline)
    done = convert_folder(
        source,
        folder,
        backbone=model,
        source_format=found.name,
        target_format=target_format,
        name=name,
        weights=weights,
        overwrite=overwrite,
    )
    _show(done, as_json=as_json)


def _model(
    backbone: str | None, revision: str | None, cache_dir: Path | None, *, offline: bool
) -> "DistilBertModelWithHeads | None":
    """The model on the backbone that is asked for, or None for the one that the source names."""
    if backbone is None:
        return None
    from polyhead.model import DistilBertModelWithHeads

    return DistilBertModelWithHeads.from_pretrained(
        backbone, revision=revision, cache_dir=cache_dir, local_files_only=offline
    )


def _show(done: "Converted", *, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "folder": str(done.folder),
                "from": done.source_format,
                "to": done.target_format,
                "adapters": list(done.adapters),
                "heads": list(done.heads),
                "files": list(done.files),
                "notes": list(done.notes),
            }
        )
        return
    for sentence in done.notes:
        note(sentence)
    for what, names in (("adapter", done.adapters), ("head", done.heads)):
        for name in names:
            note(f"{what} {name!r}: {done.source_format} -> {done.target_format}")
    print_line(str(done.folder))
