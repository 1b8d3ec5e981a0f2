"""From the padded tensors of a call to rows, and from its labels to targets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from polyhead.batch import Row
from polyhead.contracts import Head
from polyhead.errors import InputError

__all__ = ["Labels", "answer_positions", "rows_of", "targets_for"]

Labels = Tensor | Sequence[object] | Mapping[str, Tensor]
"""One tensor for a single head; one entry a row; or each head's own, by its name."""


def rows_of(input_ids: Tensor, attention_mask: Tensor | None) -> tuple[list[Row], Tensor]:
    """The rows of a padded batch, and its mask.

    A token keeps the position of its column, as in transformers, wherever the padding is.

    Args:
        input_ids: Shape: (B, T), integers.
        attention_mask: Shape: (B, T); 1 for a token, 0 for padding. All tokens when None.

    Returns:
        B rows, and the mask as bool. Shape: (B, T).

    Raises:
        InputError: The tensors are not of that form, or a row has no token.
    """
    if not isinstance(input_ids, Tensor) or input_ids.ndim != 2:  # noqa: PLR2004
        raise InputError(
            f"input_ids must be a tensor of shape (rows, tokens), not {_form(input_ids)}."
        )
    if input_ids.dtype not in {torch.int64, torch.int32}:
        raise InputError(f"input_ids must hold integers, not {input_ids.dtype}.")
    mask = _checked_mask(input_ids, attention_mask)
    rows = []
    for ids, kept in zip(input_ids.tolist(), mask.tolist(), strict=True):
        places = [place for place, is_kept in enumerate(kept) if is_kept]
        if len(places) == len(ids) or places == list(range(len(places))):
            rows.append(Row(tuple(ids[: len(places)])))
        else:
            rows.append(Row(tuple(ids[place] for place in places), positions=tuple(places)))
    empty = next((number for number, row in enumerate(rows) if not len(row)), None)
    if empty is not None:
        raise InputError(f"row {empty} of the batch has no token: its attention_mask is all 0.")
    return rows, mask


def _checked_mask(input_ids: Tensor, attention_mask: Tensor | None) -> Tensor:
    if attention_mask is None:
        return torch.ones_like(input_ids, dtype=torch.bool)
    if not isinstance(attention_mask, Tensor) or attention_mask.shape != input_ids.shape:
        raise InputError(
            f"attention_mask must have the shape of input_ids, {tuple(input_ids.shape)}, not "
            f"{_form(attention_mask)}."
        )
    mask = attention_mask.bool()
    if not torch.equal(mask.to(attention_mask.dtype), attention_mask):
        raise InputError("attention_mask must hold only 0 and 1.")
    return mask


def answer_positions(
    labels: Labels | None, start: Tensor | None, end: Tensor | None
) -> Labels | None:
    """The labels of a call, which answers' positions may stand in for.

    Args:
        labels: As the caller gave them.
        start: Where each row's answer starts. Shape: (B,).
        end: Where it ends. Shape: (B,).

    Returns:
        The labels; for positions a tensor with both of each row. Shape: (B, 2).

    Raises:
        InputError: Both are given, or one position alone, or they do not go together.
    """
    if start is None and end is None:
        return labels
    if labels is not None or start is None or end is None:
        raise InputError("give start_positions and end_positions, both, or labels.")
    if not (isinstance(start, Tensor) and isinstance(end, Tensor) and start.shape == end.shape):
        raise InputError(
            "start_positions and end_positions must be tensors of one shape, not "
            f"{_form(start)} and {_form(end)}."
        )
    return torch.stack([start, end], dim=-1)


def targets_for(
    labels: Labels, heads: Mapping[str, Head], row_heads: Sequence[str | None], mask: Tensor
) -> dict[str, Tensor]:
    """Each head's targets.

    Args:
        labels: As the caller gave them.
        heads: The heads of the batch, by name.
        row_heads: Each row's head; for a batch of examples with several rows, each example's.
        mask: Which places of the padded batch hold a token. Shape: (B, T) or (E, C, T).

    Raises:
        InputError: They do not fit the batch or the heads.
    """
    rows = {
        name: [number for number, head in enumerate(row_heads) if head == name] for name in heads
    }
    by_head = _by_head(labels, rows, len(row_heads))
    return {name: heads[name].targets(by_head[name], mask[rows[name]]) for name in heads}


def _by_head(labels: Labels, rows: Mapping[str, list[int]], n_rows: int) -> Mapping[str, Tensor]:
    if not rows:
        raise InputError("labels are given and no row has a head; name one with the argument head.")
    if isinstance(labels, Mapping):
        if labels.keys() != rows.keys():
            raise InputError(
                f"labels are given for {sorted(map(str, labels))} and the batch has the heads "
                f"{sorted(rows)}."
            )
        return {name: _checked(tensor, name) for name, tensor in labels.items()}
    if isinstance(labels, Tensor) and len(rows) == 1 and labels.shape[:1] == (n_rows,):
        return {name: labels[numbers] for name, numbers in rows.items()}
    if isinstance(labels, Tensor):
        raise InputError(
            f"one tensor of labels, {_form(labels)}, does not fit {n_rows} rows with "
            f"{len(rows)} heads; give a list with one label a row, or a dict with a tensor a head."
        )
    if not isinstance(labels, list | tuple):
        raise InputError(f"labels must be a tensor, a list or a dict, not {_form(labels)}.")
    if len(labels) != n_rows:
        raise InputError(f"{len(labels)} labels are given for {n_rows} rows.")
    return {
        name: _stacked([labels[number] for number in numbers], name)
        for name, numbers in rows.items()
    }


def _checked(labels: object, head: str) -> Tensor:
    if not isinstance(labels, Tensor):
        raise InputError(f"labels of the head {head!r} must be a tensor, not {_form(labels)}.")
    return labels


def _stacked(labels: Sequence[object], head: str) -> Tensor:
    try:
        return torch.stack([torch.as_tensor(label) for label in labels])
    except (TypeError, ValueError, RuntimeError):
        raise InputError(
            f"labels of the head {head!r} must be numbers, or tensors of one shape, one a row."
        ) from None


def _form(value: object) -> str:
    if isinstance(value, Tensor):
        return f"a tensor of shape {tuple(value.shape)}"
    return type(value).__name__
