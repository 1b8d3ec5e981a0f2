"""Padding of rows that are encoded already, as a data loader collates them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from polyhead.distilbert.tokenization.conversion import as_lists
from polyhead.distilbert.tokenization.limits import Limits
from polyhead.errors import InputError

__all__ = ["as_columns", "padded"]

_PADS = {"attention_mask": 0, "token_type_ids": 0, "special_tokens_mask": 1}
"""What stands in padding, beside the token itself in the first input."""


def as_columns(encoded: Any, main: str) -> tuple[dict[str, Any], bool, str | None]:
    """Rows by input, as lists.

    Args:
        encoded: A mapping of inputs, of one row or of several, or a list of mappings of one each.
        main: The input that must be there.

    Returns:
        The values by input; whether they are several rows; "pt" or "np" where they were tensors.

    Raises:
        InputError: It is none of these, or rows differ in what they have.
    """
    if isinstance(encoded, Sequence) and all(isinstance(row, Mapping) for row in encoded):
        if not encoded:
            raise InputError("there are no rows to pad: the batch is empty.")
        names = list(encoded[0])
        for place, row in enumerate(encoded):
            if set(row) != set(names):
                raise InputError(
                    f"it has {', '.join(row)}, and the first has {', '.join(names)}.", index=place
                )
        encoded = {name: [row[name] for row in encoded] for name in names}
    if not isinstance(encoded, Mapping) or main not in encoded:
        found = ", ".join(encoded) if isinstance(encoded, Mapping) else type(encoded).__name__
        raise InputError(f"rows to pad must be mappings with {main!r}, not {found}.")
    kind = _kind(encoded[main])
    columns = {name: as_lists(value) for name, value in encoded.items()}
    rows = columns[main]
    if not isinstance(rows, list):
        raise InputError(f"{main} must be a list of ids, not {type(rows).__name__}.")
    is_batch = any(isinstance(row, list) for row in rows)
    for name, value in columns.items():
        if is_batch and (not isinstance(value, list) or len(value) != len(rows)):
            raise InputError(f"{main} has {len(rows)} rows, and {name} has another number.")
    return columns, is_batch, kind


def _kind(value: Any) -> str | None:
    """The kind of tensor, also in a list: "pt" or "np"."""
    if isinstance(value, list | tuple) and value:
        return _kind(value[0])
    module = type(value).__module__.partition(".")[0]
    return {"torch": "pt", "numpy": "np"}.get(module)


def padded(
    columns: Mapping[str, list[list[Any]]],
    main: str,
    limits: Limits,
    number: int | None,
    *,
    with_mask: bool,
) -> dict[str, list[list[Any]]]:
    """Rows of one length.

    Args:
        columns: Rows by input. Only a tokenizer's own inputs are padded; `labels` are as given.
        main: The input whose lengths count.
        limits: To which length, and on which side.
        number: Id of the padding token, where rows are padded.
        with_mask: Whether there is an attention mask in the result.
    """
    rows = columns[main]
    lengths = [len(row) for row in rows]
    found = {name: list(values) for name, values in columns.items()}
    if with_mask and "attention_mask" not in found:
        found["attention_mask"] = [[1] * length for length in lengths]
    if not with_mask:
        found.pop("attention_mask", None)
    if limits.padding is None:
        return found
    wanted = limits.max_length if limits.padding == "max_length" else None
    most = max(lengths) if wanted is None else wanted
    most += -most % (limits.multiple or 1)
    fills = {**_PADS, main: number}
    for name in found.keys() & fills.keys():
        found[name] = [
            _filled(row, most - length, fills[name], on_left=limits.padding_side == "left")
            for row, length in zip(found[name], lengths, strict=True)
        ]
    return found


def _filled(row: list[Any], n_missing: int, fill: Any, *, on_left: bool) -> list[Any]:
    filling = [fill] * n_missing
    return [*filling, *row] if on_left else [*row, *filling]
