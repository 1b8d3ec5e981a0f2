"""What is said of a task or a version that is not there."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from polyhead.errors import UnknownTaskError

__all__ = ["unknown_task", "unknown_version"]

_MOST_COMPARED: Final = 50
"""Names that are searched for a similar one: an unknown name must not cost much."""
_LONGEST_NAME: Final = 64


class _UnknownHereError(UnknownTaskError):
    where = "there are"


class _UnknownAmongManyError(UnknownTaskError):
    where = "there are many, such as"


class _UnknownVersionError(UnknownTaskError):
    what = "version"
    where = "the task has"


def unknown_task(name: object, known: Collection[str]) -> UnknownTaskError:
    """The error for a task that is not there.

    Args:
        name: What was asked for, whatever that is.
        known: The tasks that there are.
    """
    text = _cut(name)
    if len(known) <= _MOST_COMPARED:
        return _UnknownHereError(text, known, "")
    for n_letters in (3, 2, 1, 0):
        like = sorted(one for one in known if one[:n_letters] == text[:n_letters])
        if like:
            break
    return _UnknownAmongManyError(text, like[:_MOST_COMPARED], "")


def unknown_version(version: object, known: Collection[str]) -> UnknownTaskError:
    """The error for a version that a task does not have.

    Args:
        version: What was asked for, whatever that is.
        known: The versions that there are.
    """
    return _UnknownVersionError(_cut(version), known, "")


def _cut(name: object) -> str:
    text = name if isinstance(name, str) else type(name).__name__
    return text if len(text) <= _LONGEST_NAME else text[: _LONGEST_NAME - 3] + "..."
