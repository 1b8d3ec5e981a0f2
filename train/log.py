"""What is kept of a training run next to the weights it made."""

from __future__ import annotations

import hashlib
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from polyhead.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from polyhead.contracts import TrainEvent
    from polyhead.train.result import TrainResult

__all__ = ["TRAIN_LOG_FILE", "events_as_jsonl", "file_digest", "training_record"]

TRAIN_LOG_FILE: Final = "train.jsonl"
"""The name under which a task's folder keeps the events of its training."""


def events_as_jsonl(events: Iterable[TrainEvent]) -> str:
    """The events as JSON, one a line, what is not set left out."""
    return "".join(event.model_dump_json(exclude_none=True) + "\n" for event in events)


def training_record(
    result: TrainResult, files: Mapping[str, str | Path] | None = None
) -> dict[str, Any]:
    """How a task was trained, JSON-ready, for its manifest.

    Args:
        result: Of the run.
        files: The data files by what they were for: {"train": path, "eval": path}. Their names and
            digests are recorded, and not the folders they lie in.

    Raises:
        DataError: A file cannot be read.
    """
    data = {
        use: {"file": Path(path).name, "sha256": file_digest(path)}
        for use, path in (files or {}).items()
    }
    return {
        "settings": result.settings.model_dump(),
        "n_train": result.n_train,
        "n_eval": result.n_eval,
        "data": data,
        "best_epoch": result.best_epoch,
        "epochs": len(result.metrics),
        "seconds": round(result.seconds, 3),
        "interrupted": result.interrupted,
        "reason": result.reason,
        "versions": {name: version(name) for name in ("polyhead", "torch")},
    }


def file_digest(path: str | Path) -> str:
    """The hex SHA-256 of a file's bytes.

    Raises:
        DataError: It cannot be read.
    """
    try:
        with Path(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(path, f"cannot be read: {error.strerror}.") from None
