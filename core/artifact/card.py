"""The model card of what is saved: what it is, how good, and how to load it.

All of it is told from manifests. The card of a folder on disk is text alone; the one for the hub
has metadata in front (card_metadata.py) and says how to load what it belongs to from there.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from polyhead.artifact.card_metadata import CardDetails, is_hub_id, metadata_of
from polyhead.artifact.card_seal import sealed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from polyhead.artifact.manifest import BackboneInfo, Manifest, TaskManifest

__all__ = ["model_card", "part_card", "tasks_card"]


def model_card(
    task: TaskManifest,
    head: Manifest,
    adapters: Sequence[Manifest],
    sample: Mapping[str, object],
    *,
    address: str | None = None,
    details: CardDetails | None = None,
) -> str:
    """The card of a task as Markdown.

    Args:
        task: What it is about.
        head: The task's head.
        adapters: The task's adapter, or those that it puts together, or none.
        sample: The fields of an example that the head could answer.
        address: Where it lies on the hub, as "owner/name" or "owner/name/folder"; None for a card
            on disk, which has no metadata.
        details: What its owner adds to the metadata.
    """
    sections = [
        _front(address, task.backbone, [head, *adapters], details, task),
        f"# {task.name}",
        f"A `{head.kind}` task for polyhead on the encoder {_encoder(task.backbone)}.",
        _parts(task, head, adapters),
        _table("Metrics", "metric", {name: f"{value:.4f}" for name, value in task.metrics.items()}),
        _table("Training", "setting", {key: str(value) for key, value in task.training.items()}),
        _usage(task, sample, address),
    ]
    return _joined(sections)


def part_card(
    parts: Sequence[Manifest], *, address: str, details: CardDetails | None = None
) -> str:
    """The card of an adapter, of a head, or of both that are no task, for the hub.

    Args:
        parts: Their manifests: one, or the adapter's and the head's.
        address: Where they lie on the hub.
        details: What their owner adds to the metadata.
    """
    first = parts[0]
    what = " and ".join(f"the {part.artifact} `{part.name}`" for part in parts)
    sections = [
        _front(address, first.backbone, parts, details, None),
        f"# {first.name}",
        f"{what[0].upper()}{what[1:]} for polyhead on the encoder {_encoder(first.backbone)}.",
        "\n".join(
            [
                *(f"- {part.artifact} `{part.kind}`: {_fields(part.config)}" for part in parts),
                f"- made with polyhead {first.polyhead} on {first.created:%Y-%m-%d}",
                f"- encoder fingerprint `{first.backbone.fingerprint}`",
            ]
        ),
        _table(
            "Metrics",
            "metric",
            {name: f"{value:.4f}" for part in parts for name, value in part.metrics.items()},
        ),
        _code(first.backbone, [f'model.load_{part.artifact}("hub:{address}")' for part in parts]),
    ]
    return _joined(sections)


def tasks_card(names: Sequence[str], *, address: str, details: CardDetails | None = None) -> str:
    """The card of a repository with tasks in folders of their own.

    Args:
        names: The folders.
        address: Where they lie on the hub.
        details: What their owner adds to the metadata.
    """
    sections = [
        metadata_of(None, (), details, None),
        f"# {address.rpartition('/')[2]}",
        "Tasks for polyhead, each in a folder of its own, with a card that tells more:",
        "\n".join(f"- [{name}]({name}/README.md)" for name in names),
        f"## Use\n\n```sh\npolyhead pull {address} tasks\npolyhead tasks tasks\n```",
    ]
    return _joined(sections)


def _front(
    address: str | None,
    backbone: BackboneInfo,
    parts: Sequence[Manifest],
    details: CardDetails | None,
    task: TaskManifest | None,
) -> str:
    return "" if address is None else metadata_of(backbone, parts, details, task)


def _joined(sections: Iterable[str]) -> str:
    return sealed("\n\n".join(section for section in sections if section) + "\n")


def _encoder(backbone: BackboneInfo) -> str:
    return f"`{backbone.name}` ({backbone.shape})"


def _parts(task: TaskManifest, head: Manifest, adapters: Sequence[Manifest]) -> str:
    lines = [f"- head `{head.kind}`: {_fields(head.config)}"]
    if not adapters:
        lines.append("- no adapter: the head reads the bare encoder")
    if task.setup is not None:
        lines.append(f"- several adapters: `{task.setup}`")
    for adapter in adapters:
        named = "" if task.setup is None else f" `{adapter.name}`, a"
        lines.append(f"- adapter{named} `{adapter.kind}`: {_fields(adapter.config)}")
    lines.append(
        f"- texts: at most {task.text.max_length} tokens, truncation `{task.text.truncation}`"
    )
    lines.append(f"- made with polyhead {task.polyhead} on {task.created:%Y-%m-%d}")
    lines.append(f"- encoder fingerprint `{task.backbone.fingerprint}`")
    return "\n".join(lines)


def _usage(task: TaskManifest, sample: Mapping[str, object], address: str | None) -> str:
    name = task.name
    asked: object = dict(sample)
    if len(sample) == 1:
        [asked] = sample.values()
    place = f"path/to/{name}" if address is None else f"hub:{address}"
    lines = [
        f'model.load_task("{place}")',
        f'model.predict([{json.dumps(asked)}], task="{name}")',
    ]
    return _code(task.backbone, lines) + ("" if address is None else _pulling(task, address))


def _code(backbone: BackboneInfo, lines: Sequence[str]) -> str:
    name = json.dumps(backbone.name, ensure_ascii=False)  # in quotes; a path may hold some
    return (
        "## Use\n\n```python\nimport polyhead as ph\n\n"
        f"model = ph.DistilBertModelWithHeads.from_pretrained({name})\n"
        + "\n".join(lines)
        + "\n```"
    )


def _pulling(task: TaskManifest, address: str) -> str:
    """The command line's way, and a word on an encoder that is not on the hub."""
    lines = (
        f"\n\n```sh\npolyhead pull {address} tasks/{task.name}\n"
        f"polyhead inspect tasks/{task.name}\n```"
    )
    if "/" in task.backbone.name and not is_hub_id(task.backbone.name):
        lines += (
            "\n\nThe encoder was loaded from a folder; give your own copy of it, of the "
            "fingerprint above, in place of that name."
        )
    return lines


def _fields(config: Mapping[str, object]) -> str:
    return ", ".join(f"{key}={value!r}" for key, value in config.items())


def _table(title: str, first: str, rows: Mapping[str, str]) -> str:
    if not rows:
        return ""
    cells = {key: " ".join(value.replace("|", "\\|").split()) for key, value in rows.items()}
    lines: Iterable[str] = (f"| {key} | {value} |" for key, value in cells.items())
    return "\n".join([f"## {title}\n", f"| {first} | value |", "| --- | --- |", *lines])
