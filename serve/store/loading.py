"""Bringing a version of a task from disk into the model."""

from __future__ import annotations

import copy
import os
from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from polyhead.artifact import TaskContents, read_contents
from polyhead.errors import ArtifactError, PolyheadError

if TYPE_CHECKING:
    from polyhead.model import DistilBertModelWithHeads

__all__ = ["ReplacedError", "artifact_error", "n_bytes_of", "read_version"]


class ReplacedError(ArtifactError):
    """A folder that holds another version than it did."""


def read_version(digest: str, places: Iterable[Path]) -> TaskContents:
    """A version of a task, from the first of several places that holds it in full.

    Raises:
        ReplacedError: The last place holds another version.
        ArtifactError: No place holds it; why the last does not.
    """
    error: ArtifactError = ReplacedError("this version is not on disk any more.")
    for place in places:
        try:
            contents = read_contents(place)
        except ArtifactError as reason:
            error = reason
            continue
        if contents.digest == digest:
            return contents
        error = ReplacedError(f"{place} holds another version by now.")
    raise error


def n_bytes_of(model: DistilBertModelWithHeads, key: str) -> int:
    """The bytes that a task's head and adapters take in the model."""
    task = model.tasks[key]
    parts = (model.heads[task.head], *model.adapters_of(task.adapter).values())
    tensors = chain.from_iterable(chain(part.parameters(), part.buffers()) for part in parts)
    return sum(tensor.nbytes for tensor in tensors)


def artifact_error(error: BaseException, name: str, folder: Path) -> ArtifactError:
    """What is said of a version that could not be loaded, for whoever asked for it.

    Args:
        error: What was raised: by files, by a plugin's class, or for want of memory.
        name: Of the task.
        folder: Of all tasks; what lies in it is named without it, since who asks may be far away.
    """
    if isinstance(error, PolyheadError):
        said = copy.copy(error) if isinstance(error, ArtifactError) else ArtifactError(str(error))
        said.args = (str(error).replace(f"{folder}{os.sep}", ""), *said.args[1:])
        return said
    reason = (str(error).splitlines() or [""])[0]
    return ArtifactError(
        f"the task {name!r} could not be loaded: {type(error).__name__}"
        f"{': ' if reason else ''}{reason}."
    )
