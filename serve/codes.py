"""What kind of error an outcome is: in one word for machines, and as an HTTP status."""

from __future__ import annotations

from typing import Final

from polyhead.errors import (
    ArtifactError,
    BrokenTaskError,
    CancelledError,
    ContractError,
    ExpiredError,
    InputError,
    NonFiniteError,
    OverloadedError,
    PolyheadError,
    UnavailableError,
    UnknownTaskError,
)

__all__ = ["code_of", "status_of"]

_CODES: Final[dict[type[PolyheadError], tuple[str, int]]] = {
    InputError: ("invalid_input", 422),
    UnknownTaskError: ("unknown_task", 404),
    OverloadedError: ("overloaded", 429),
    UnavailableError: ("unavailable", 503),
    BrokenTaskError: ("task_broken", 503),
    ExpiredError: ("expired", 504),
    CancelledError: ("cancelled", 499),
    NonFiniteError: ("non_finite", 500),
    ContractError: ("head_failed", 500),
    ArtifactError: ("damaged_task", 503),
    PolyheadError: ("failed", 500),
}


def code_of(error: PolyheadError) -> str:
    """The word for that kind of error: "invalid_input", "overloaded", ..."""
    return _found(error)[0]


def status_of(error: PolyheadError) -> int:
    """The HTTP status of a response that says it."""
    return _found(error)[1]


def _found(error: PolyheadError) -> tuple[str, int]:
    return next(_CODES[each] for each in type(error).__mro__ if each in _CODES)
