"""The model card of a saved task: what it is, how good, and how to load it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from polyhead.artifact.manifest import Manifest, TaskManifest

__all__ = ["model_card"]


def model_card(
    task: TaskManifest, head: Manifest, adapter: Manifest | None, sample: Mapping[str, object]
) -> str:
    """The card as Markdown.

    Args:
        task: What it is about.
        head: The task's head.
        adapter: The task's adapter, or None.
        sample: The fields of an example that the head could answer.
    """
    backbone = task.backbone
    sections = [
        f"# {task.name}",
        f"A `{head.kind}` task for polyhead on the encoder `{backbone.name}` ({backbone.shape}).",
        _parts(task, head, adapter),
        _table("Metrics", "metric", {name: f"{value:.4f}" for name, value in task.metrics.items()}),
        _table("Training", "setting", {key: str(value) for key, value in task.training.items()}),
        _usage(task, sample),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _parts(task: TaskManifest, head: Manifest, adapter: Manifest | None) -> str:
    lines = [f"- head `{head.kind}`: {_fields(head.config)}"]
    if adapter is None:
        lines.append("- no adapter: the head reads the bare encoder")
    else:
        lines.append(f"- adapter `{adapter.kind}`: {_fields(adapter.config)}")
    lines.append(
        f"- texts: at most {task.text.max_length} tokens, truncation `{task.text.truncation}`"
    )
    lines.append(f"- made with polyhead {task.polyhead} on {task.created:%Y-%m-%d}")
    lines.append(f"- encoder fingerprint `{task.backbone.fingerprint}`")
    return "\n".join(lines)


def _usage(task: TaskManifest, sample: Mapping[str, object]) -> str:
    name = task.name
    asked: object = dict(sample)
    if len(sample) == 1:
        [asked] = sample.values()
    backbone = json.dumps(task.backbone.name, ensure_ascii=False)  # in quotes; a path may hold some
    return (
        "## Use\n\n```python\nimport polyhead as ph\n\n"
        f"model = ph.DistilBertModelWithHeads.from_pretrained({backbone})\n"
        f'model.load_task("path/to/{name}")\n'
        f'model.predict([{json.dumps(asked)}], task="{name}")\n```'
    )


def _fields(config: Mapping[str, object]) -> str:
    return ", ".join(f"{key}={value!r}" for key, value in config.items())


def _table(title: str, first: str, rows: Mapping[str, str]) -> str:
    if not rows:
        return ""
    cells = {key: " ".join(value.replace("|", "\\|").split()) for key, value in rows.items()}
    lines: Iterable[str] = (f"| {key} | {value} |" for key, value in cells.items())
    return "\n".join([f"## {title}\n", f"| {first} | value |", "| --- | --- |", *lines])
