"""`polyhead tasks`: the tasks saved under a folder."""

from pathlib import Path
from typing import Annotated, Any

import typer

from polyhead.cli.options import JsonOption
from polyhead.cli.output import note, print_json, print_table, readable_size
from polyhead.errors import PolyheadError

__all__ = ["tasks"]


def tasks(
    *,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where to look.")],
    as_json: JsonOption = False,
) -> None:
    """List the tasks saved under a folder; damaged ones with their reason."""
    from polyhead.artifact import find_tasks

    found = [_describe(place) for place in find_tasks(folder)]
    if as_json:
        print_json(found)
        return
    if not found:
        note(f"No tasks under {folder}; polyhead train --output {folder / 'NAME'} saves one there.")
        return
    print_table(
        ["task", "head", "adapter", "backbone", "metrics", "size"],
        [_row(entry) for entry in found if "error" not in entry],
        right=["size"],
    )
    for entry in found:
        if "error" in entry:
            note(f"Damaged: {entry['folder']}: {entry['error']}")


def _describe(folder: Path) -> dict[str, Any]:
    from polyhead.artifact import read_task

    try:
        saved = read_task(folder)
    except PolyheadError as error:
        return {"folder": str(folder), "error": " ".join(str(error).split())}
    return {
        "task": saved.manifest.name,
        "folder": str(folder),
        "head": saved.head.kind,
        "adapter": saved.manifest.setup or (saved.adapter.kind if saved.adapter else None),
        "backbone": saved.manifest.backbone.name,
        "metrics": saved.manifest.metrics,
        "created": saved.manifest.created.isoformat(),
        "n_bytes": saved.n_bytes,
    }


def _row(entry: dict[str, Any]) -> list[str]:
    folder = Path(entry["folder"]).name
    return [
        entry["task"] if entry["task"] == folder else f"{entry['task']} (in {folder})",
        entry["head"],
        entry["adapter"] or "none",
        entry["backbone"],
        "\n".join(f"{name} {value:.3f}" for name, value in entry["metrics"].items()),
        readable_size(entry["n_bytes"]),
    ]
