"""A backbone that has a name instead of a path."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

__all__ = ["NamedBackbone"]


@dataclass(frozen=True)
class NamedBackbone:
    """A checkpoint folder that a plugin knows how to find.

    Attributes:
        name: What users write in place of a path or hub id.
        description: One line about the weights.
        locate: Returns the checkpoint's folder, checked; raises CheckpointError or
            MissingExtraError with the remedy where it is not there.
    """

    name: str
    description: str
    locate: Callable[[], Path]
