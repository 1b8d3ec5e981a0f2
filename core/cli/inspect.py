"""`polyhead inspect`: what a saved task, adapter or head says of itself."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from polyhead.cli.options import JsonOption
from polyhead.cli.output import file_sizes, print_json, print_table, readable_size

if TYPE_CHECKING:
    from polyhead.artifact import Manifest, SavedTask

__all__ = ["inspect"]


def inspect(
    *,
    path: Annotated[
        Path, typer.Argument(help="Folder of a task, or the file of an adapter or head.")
    ],
    as_json: JsonOption = False,
) -> None:
    """Show what a saved task, adapter or head is; its weights are not read."""
    from polyhead.artifact import read_manifest, read_task

    if path.is_dir():
        _show_task(read_task(path), as_json=as_json)
    else:
        _show_file(path, read_manifest(path), as_json=as_json)


def _show_task(saved: "SavedTask", *, as_json: bool) -> None:
    sizes = file_sizes(saved.folder)
    if as_json:
        print_json(
            {
                "task": saved.manifest.model_dump(mode="json"),
                "head": saved.head.model_dump(mode="json"),
                "adapter": None if saved.adapter is None else saved.adapter.model_dump(mode="json"),
                "adapters": {
                    part.name: part.model_dump(mode="json")
                    for part in saved.adapters.values()
                    if saved.adapter is None
                },
                "files": sizes,
            }
        )
        return
    manifest = saved.manifest
    rows = [
        ["head", _part(saved.head)],
        *_adapter_rows(saved),
        ["texts", _fields(manifest.text.model_dump())],
        *_common_rows(manifest),
        ["training", _fields(manifest.training)],
        *([name, readable_size(size)] for name, size in sizes.items()),
    ]
    print_table(["task", manifest.name], [row for row in rows if row[1]])


def _adapter_rows(saved: "SavedTask") -> list[list[str]]:
    if saved.adapter is not None:
        return [["adapter", _part(saved.adapter)]]
    if saved.manifest.setup is None:
        return [["adapter", "none: the head reads the bare encoder"]]
    parts = [[f"adapter {part.name}", _part(part)] for part in saved.adapters.values()]
    return [["adapters", saved.manifest.setup], *parts]


def _show_file(path: Path, manifest: "Manifest", *, as_json: bool) -> None:
    n_bytes = path.stat().st_size
    if as_json:
        fields = manifest.model_dump(mode="json")
        print_json({manifest.artifact: fields, "files": {path.name: n_bytes}})
        return
    rows = [
        ["kind", _part(manifest)],
        *_common_rows(manifest),
        [path.name, readable_size(n_bytes)],
    ]
    print_table([manifest.artifact, manifest.name], [row for row in rows if row[1]])


def _part(manifest: "Manifest") -> str:
    provider = f"{manifest.provider.distribution} {manifest.provider.version}"
    return f"{manifest.kind} (from {provider}): {_fields(manifest.config)}"


def _common_rows(manifest: Any) -> list[list[str]]:
    backbone = manifest.backbone
    return [
        ["backbone", f"{backbone.name} ({backbone.shape})"],
        ["fingerprint", backbone.fingerprint],
        ["metrics", _fields(manifest.metrics)],
        ["created", f"{manifest.created.isoformat()} by polyhead {manifest.polyhead}"],
        ["format", str(manifest.format)],
    ]


def _fields(values: Mapping[str, Any]) -> str:
    shown = {name: _shown(value) for name, value in values.items()}
    return ", ".join(f"{name}={value}" for name, value in shown.items() if value)


def _shown(value: object) -> str:
    """A value of a manifest; nothing for one that is empty."""
    if isinstance(value, Mapping):
        return f"({_fields(value)})" if value else ""
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_shown, value))}]" if value else ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
