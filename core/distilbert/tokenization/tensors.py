"""From lists of numbers to torch tensors and numpy arrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from polyhead.errors import ConfigError, InputError, MissingExtraError, shown

__all__ = ["check_tensor_type", "tensors_of"]


def check_tensor_type(value: object) -> str | None:
    """The kind of tensor asked for: "pt", "np" or None.

    Raises:
        ConfigError: It is none of these.
    """
    if value is None:
        return None
    # the enumeration of transformers is of strings, too
    text = getattr(value, "value", value) if isinstance(value, str) else None
    if text not in {"pt", "np"}:
        raise ConfigError(
            f"return_tensors must be 'pt' (torch), 'np' (numpy) or None, not {shown(value)}."
        )
    return str(text)


def tensors_of(data: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """The values of `data` as tensors; those that are tensors already stay as they are.

    Raises:
        InputError: Rows differ in length.
        MissingExtraError: numpy is asked for and not installed.
    """
    return {key: _tensor(key, value, kind) for key, value in data.items()}


def _tensor(key: str, value: Any, kind: str) -> Any:
    if kind == "np":
        try:
            import numpy as np  # noqa: PLC0415 - not among what polyhead needs
        except ImportError:
            raise MissingExtraError("numpy", "train", "return_tensors='np'") from None
        if isinstance(value, np.ndarray):
            return value
        array = np.asarray(_same_lengths(key, value))
        return array if array.size else array.astype(np.int64)
    import torch  # noqa: PLC0415 - slow to import, and lists do without it

    if isinstance(value, torch.Tensor):
        return value
    tensor = torch.as_tensor(_same_lengths(key, value))
    return tensor if tensor.numel() else tensor.long()


def _same_lengths(key: str, value: Any) -> Any:
    if not isinstance(value, list | tuple):
        return value
    is_row = [isinstance(row, list | tuple) for row in value]
    if not any(is_row):
        return value
    lengths = {len(row) for row in value} if all(is_row) else set()
    if len(lengths) != 1:
        least, most = (min(lengths), max(lengths)) if lengths else (0, 0)
        spread = f" ({least} to {most})" if lengths else ""
        raise InputError(
            f"the rows of {key!r} differ in length{spread} and are no tensor; give padding=True, "
            "and truncation=True where rows may be too long."
        )
    return value
