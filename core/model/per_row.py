"""Names that a call gives for all rows or one a row."""

from __future__ import annotations

from collections.abc import Sequence

from polyhead.errors import InputError

__all__ = ["PerRow", "names_per_row"]

PerRow = str | None | Sequence[str | None]
"""One name, or None, for all rows; or a list with one for each row."""


def names_per_row(value: PerRow, n_rows: int, argument: str) -> tuple[str | None, ...]:
    """One name, or None, for each row.

    Args:
        value: What the call gives.
        n_rows: The number of rows.
        argument: What the argument is called, for the message.

    Raises:
        InputError: It is neither a name, nor None, nor as many of them as there are rows.
    """
    if value is None or isinstance(value, str):
        return (value,) * n_rows
    given = "" if isinstance(value, list | tuple) else type(value).__name__
    odd = [] if given else [name for name in value if not (name is None or isinstance(name, str))]
    if given or odd:
        raise InputError(
            f"{argument} must be a name, None, or a list of them with one a row, not "
            f"{given or f'a list with {type(odd[0]).__name__}'}."
        )
    if len(value) != n_rows:
        raise InputError(f"{argument} has {len(value)} entries for {n_rows} rows.")
    return tuple(value)
