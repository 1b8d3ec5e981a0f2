"""A task as those who ask know it, and as the model does."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ServedTask"]


@dataclass(frozen=True)
class ServedTask:
    """One version of a task in a model.

    Attributes:
        name: What it is asked by; also in metrics, events and messages.
        key: Its name in the model, where several versions may be side by side.
        version: Which one it is; None where versions are not kept.
    """

    name: str
    key: str
    version: str | None = None
