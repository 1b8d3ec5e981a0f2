"""Names that a call gives for all rows or one a row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from polyhead.composition import AdapterSetup, Block
from polyhead.errors import InputError

__all__ = ["PerRow", "SetupPerRow", "names_per_row", "setups_per_row"]

PerRow = str | None | Sequence[str | None]
"""One name, or None, for all rows; or a list with one for each row."""

SetupPerRow = AdapterSetup | Sequence[AdapterSetup]
"""One adapter, several put together, or None, for all rows; or a list with one for each row."""


def names_per_row(value: PerRow, n_rows: int, argument: str) -> tuple[str | None, ...]:
    """One name, or None, for each row.

    Args:
        value: What the call gives.
        n_rows: The number of rows.
        argument: What the argument is called, for the message.

    Raises:
        InputError: It is neither a name, nor None, nor as many of them as there are rows.
    """
    return _per_row(value, n_rows, argument, (str,), "a name, None")


def setups_per_row(value: SetupPerRow, n_rows: int, argument: str) -> tuple[AdapterSetup, ...]:
    """What acts on each row: a name, a block of several, or None.

    Args:
        value: What the call gives.
        n_rows: The number of rows.
        argument: What the argument is called, for the message.

    Raises:
        InputError: It is neither one of these, nor as many of them as there are rows.
    """
    return _per_row(value, n_rows, argument, (str, Block), "a name, a block such as Stack, None")


def _per_row(
    value: Any, n_rows: int, argument: str, types: tuple[type, ...], wanted: str
) -> tuple[Any, ...]:
    if value is None or isinstance(value, types):
        return (value,) * n_rows
    given = "" if isinstance(value, list | tuple) else type(value).__name__
    odd = [] if given else [one for one in value if not (one is None or isinstance(one, types))]
    if given or odd:
        raise InputError(
            f"{argument} must be {wanted}, or a list of them with one a row, not "
            f"{given or f'a list with {type(odd[0]).__name__}'}."
        )
    if len(value) != n_rows:
        raise InputError(f"{argument} has {len(value)} entries for {n_rows} rows.")
    return tuple(value)
