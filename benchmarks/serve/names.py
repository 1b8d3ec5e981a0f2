"""What every side calls a task and where its files lie; it needs no library."""

from __future__ import annotations

MODEL, TASKS, CLASSIFIERS = "model", "tasks", "classifiers"
"""Folders of the material."""


def task_name(number: int) -> str:
    """Return the name of a task."""
    return f"task{number:04}"


def n_labels(number: int) -> int:
    """Return how many labels a task has: 2 to 6."""
    return 2 + number % 5
