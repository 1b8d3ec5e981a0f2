"""What a check says of a class that does not pass it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING
from unittest import SkipTest

from polyhead.errors import ContractError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["ConformanceError", "advising", "require", "told"]


class ConformanceError(AssertionError):
    """What a head or an adapter does not do, and what its author should change."""


def require(holds: bool, message: str) -> None:
    """Fails the check with `message` unless `holds`."""
    __tracebackhide__ = True  # pytest then shows the check itself
    if not holds:
        raise ConformanceError(message)


@contextmanager
def advising(advice: str) -> Iterator[None]:
    """Inside, whatever the class under test raises fails the check with `advice`.

    Args:
        advice: What does not work, and what to change; one or two sentences.
    """
    __tracebackhide__ = True
    try:
        yield
    except (ConformanceError, SkipTest):
        raise
    except Exception as error:
        raise ConformanceError(f"{advice} It raised {told(error)}") from error


def told(error: Exception) -> str:
    """What an error says, in one line: that of the class under test, where we blame it for one."""
    if isinstance(error, ContractError) and isinstance(error.__cause__, Exception):
        error = error.__cause__
    return f"{type(error).__name__}: {' '.join(str(error).split())}"
