"""What a folder on the hub holds, told from the names of its files alone."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from polyhead.artifact import ADAPTER_FILE, HEAD_FILE, TASK_FILE
from polyhead.names import is_name

__all__ = ["CARD_FILE", "FILES_OF", "Layout", "LayoutKind", "layout_of"]

LayoutKind = Literal["task", "parts", "tasks", "adapters", "peft", "checkpoint", "nothing"]

CARD_FILE: Final = "README.md"
_KILO: Final = 1024
_TEXT: Final = _KILO**2
_LOG: Final = 64 * _KILO**2
_WEIGHTS: Final = _KILO**3

TASK_LIMITS: Final[Mapping[str, int]] = {
    TASK_FILE: _TEXT,
    HEAD_FILE: _WEIGHTS,
    ADAPTER_FILE: _WEIGHTS,
    CARD_FILE: _TEXT,
    "train.jsonl": _LOG,
}
_PARTS_LIMITS: Final = {HEAD_FILE: _WEIGHTS, ADAPTER_FILE: _WEIGHTS, CARD_FILE: _TEXT}
_ADAPTERS_LIMITS: Final = {
    "adapter_config.json": _TEXT,
    "head_config.json": _TEXT,
    "adapter_fusion_config.json": _TEXT,
    "adapter.safetensors": _WEIGHTS,
    "pytorch_adapter.bin": _WEIGHTS,
    "model_head.safetensors": _WEIGHTS,
    "pytorch_model_head.bin": _WEIGHTS,
    "model_adapter_fusion.safetensors": _WEIGHTS,
    "pytorch_model_adapter_fusion.bin": _WEIGHTS,
}
_PEFT_LIMITS: Final = {
    "adapter_config.json": _TEXT,
    "adapter_model.safetensors": _WEIGHTS,
    "adapter_model.bin": _WEIGHTS,
}
FILES_OF: Final[Mapping[LayoutKind, Mapping[str, int]]] = {
    "task": TASK_LIMITS,
    "tasks": TASK_LIMITS,
    "parts": _PARTS_LIMITS,
    "adapters": _ADAPTERS_LIMITS,
    "peft": _PEFT_LIMITS,
}
"""The files of each layout that are moved, with the most bytes each may have; no other is."""

_SAFE_TWINS: Final = {
    "pytorch_adapter.bin": "adapter.safetensors",
    "pytorch_model_head.bin": "model_head.safetensors",
    "pytorch_model_adapter_fusion.bin": "model_adapter_fusion.safetensors",
    "adapter_model.bin": "adapter_model.safetensors",
}
_CHECKPOINT_FILES: Final = {
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
}


@dataclass(frozen=True)
class Layout:
    """What a folder holds.

    Attributes:
        kind: "task"; "parts", an adapter's or a head's file alone; "tasks", each in a folder of its
            own; "adapters" or "peft", another library's; "checkpoint", a whole model; "nothing" of
            these.
        files: Those to move, sorted, by their paths in the folder. Which adapters a task puts
            together is told by its manifest alone.
    """

    kind: LayoutKind
    files: tuple[str, ...] = ()

    def limit(self, file: str) -> int:
        """The most bytes that one of its files may have."""
        return FILES_OF[self.kind].get(file.rpartition("/")[2], _WEIGHTS)

    @property
    def folders(self) -> tuple[str, ...]:
        """The folders of its tasks, for "tasks"; none for any other kind."""
        ends = f"/{TASK_FILE}"
        return tuple(sorted(f.removesuffix(ends) for f in self.files if f.endswith(ends)))


def layout_of(names: Collection[str]) -> Layout:
    """The layout of a folder with files of these paths, "a/b.c" for one in a folder of its own."""
    here = set(names)
    folders = [
        folder
        for folder, slash, file in (name.partition("/") for name in names)
        if slash and file == TASK_FILE and is_name(folder)
    ]
    if TASK_FILE in here:
        return _layout("task", here)
    if here & {"adapter_model.safetensors", "adapter_model.bin"}:
        return _layout("peft", here)
    if here & {"adapter_config.json", "head_config.json", "adapter_fusion_config.json"}:
        return _layout("adapters", here)
    if here & {ADAPTER_FILE, HEAD_FILE}:
        return _layout("parts", here)
    if folders:
        paths = [f"{folder}/{file}" for folder in folders for file in TASK_LIMITS]
        return Layout("tasks", tuple(sorted(path for path in paths if path in here)))
    return Layout("checkpoint" if here & _CHECKPOINT_FILES else "nothing")


def _layout(kind: LayoutKind, here: set[str]) -> Layout:
    """Of the files that there are both as safetensors and pickled, the former is taken."""
    found = here & FILES_OF[kind].keys()
    return Layout(kind, tuple(sorted(f for f in found if _SAFE_TWINS.get(f) not in here)))
