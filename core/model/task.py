"""A task: a head, its adapter, and how its texts are read, under one name."""

from __future__ import annotations

from dataclasses import dataclass, field

from polyhead.composition import AdapterSetup
from polyhead.contracts import TextSettings

__all__ = ["Task"]


@dataclass(frozen=True)
class Task:
    """What `predict`, `train` and `serve` know a task by.

    Attributes:
        name: The task's name.
        head: The name of its head.
        adapter: The name of its adapter, several put together, or None for the bare encoder.
        text: How its texts are read.
        own_adapters: Adapters that came with it under names of their own and go with it.
    """

    name: str
    head: str
    adapter: AdapterSetup
    text: TextSettings = field(default_factory=TextSettings)
    own_adapters: tuple[str, ...] = ()
