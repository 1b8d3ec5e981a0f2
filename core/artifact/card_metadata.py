"""The metadata in front of a card on the hub: what its search and its pages read.

It is YAML of which we write the part that is JSON: one field a line.
Source: the hub's "Model Cards" documentation and its model-index specification.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from polyhead.artifact.manifest import BackboneInfo, Manifest, TaskManifest

__all__ = ["CardDetails", "details_of", "is_hub_id", "metadata_of"]

_FENCE: Final = "---"
_HUB_ID: Final = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+", re.ASCII)
_NOT_PRINTABLE: Final = re.compile(
    "[^\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)
_HUB_TASKS: Final = {
    "classification": "text-classification",
    "multilabel": "text-classification",
    "regression": "text-classification",
    "tagging": "token-classification",
    "crf": "token-classification",
    "question_answering": "question-answering",
    "multiple_choice": "multiple-choice",
    "masked_lm": "fill-mask",
    "embedding": "sentence-similarity",
}
"""What the hub calls the tasks of some kinds of heads; another kind goes without."""


@dataclass(frozen=True)
class CardDetails:
    """What the owner of a repository says of it; no manifest has it.

    Attributes:
        license: As the hub names it, such as "mit".
        language: Codes of the texts' languages, such as "en".
        datasets: Ids on the hub of what it learnt from.
    """

    license: str | None = None
    language: tuple[str, ...] = ()
    datasets: tuple[str, ...] = ()

    def over(self, older: CardDetails) -> CardDetails:
        """These, and where one is not given that of `older`."""
        given = {each.name: getattr(self, each.name) for each in fields(self)}
        return replace(older, **{name: value for name, value in given.items() if value})


def metadata_of(
    backbone: BackboneInfo | None,
    parts: Sequence[Manifest],
    details: CardDetails | None,
    task: TaskManifest | None,
) -> str:
    """The block of metadata, between its two lines of dashes.

    Args:
        backbone: The encoder; named where it is on the hub.
        parts: The manifests of heads and adapters.
        details: What the owner adds.
        task: The task, whose figures go into the model-index where its evaluation data is known.
    """
    details = details or CardDetails()
    head = next((part for part in parts if part.artifact == "head"), None)
    has_adapter = any(part.artifact == "adapter" for part in parts)
    on_hub = backbone is not None and is_hub_id(backbone.name)
    values: dict[str, Any] = {
        "library_name": "polyhead",
        "tags": ["polyhead", *(["adapter"] if has_adapter else []), *_kinds(parts)],
        "base_model": backbone.name if on_hub and backbone is not None else None,
        "base_model_relation": "adapter" if on_hub and has_adapter else None,
        "pipeline_tag": _HUB_TASKS.get(head.kind) if head is not None else None,
        "license": details.license,
        "language": list(details.language),
        "datasets": list(details.datasets),
        "model-index": _index(task, head) if task is not None and head is not None else None,
    }
    lines = [f"{name}: {_yaml(value)}" for name, value in values.items() if value]
    return "\n".join([_FENCE, *lines, _FENCE])


def _kinds(parts: Sequence[Manifest]) -> list[str]:
    return list(dict.fromkeys(part.kind for part in parts))


def details_of(card: str) -> CardDetails:
    """What the owner had added to a card that was made here."""
    found: dict[str, Any] = {}
    for line in card.split(f"\n{_FENCE}\n", 1)[0].splitlines():
        name, _, value = line.partition(": ")
        if name in {"license", "language", "datasets"}:
            read = json.loads(value)
            found[name] = read if isinstance(read, str) else tuple(read)
    return CardDetails(**found)


def is_hub_id(name: str) -> bool:
    """Whether a backbone of that name is to be had from the hub, as far as its name tells."""
    return _HUB_ID.fullmatch(name) is not None and not os.path.isdir(name)  # noqa: PTH112 - no raise


def _index(task: TaskManifest, head: Manifest) -> list[Mapping[str, Any]] | None:
    """The figures as the hub lists them; it takes none of unnamed data."""
    data = task.training.get("data")
    evaluated = data.get("eval") if isinstance(data, dict) else None
    if not task.metrics or not isinstance(evaluated, dict) or "file" not in evaluated:
        return None
    name = str(evaluated["file"])
    dataset = {"name": name, "type": name, "revision": evaluated.get("sha256")}
    metrics = [{"type": key, "name": key, "value": value} for key, value in task.metrics.items()]
    result = {
        "task": {"type": _HUB_TASKS.get(head.kind, head.kind)},
        "dataset": {key: value for key, value in dataset.items() if value},
        "metrics": metrics,
    }
    return [{"name": task.name, "results": [result]}]


def _yaml(value: object) -> str:
    """JSON that YAML reads as the same: what YAML takes for no character is escaped."""
    text = json.dumps(value, ensure_ascii=False)
    return _NOT_PRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
