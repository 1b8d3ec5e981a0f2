"""The precisions that can be measured on this machine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import torch

from polyhead.encoder import Precision, check_precision

__all__ = ["DTYPES", "checked_precisions"]

DTYPES: Final[Mapping[Precision, torch.dtype]] = {
    "float32": torch.float32,
    "int8": torch.int8,
    "bfloat16": torch.bfloat16,
}
"""What the encoder's products on a CPU are made of, for each precision."""


def checked_precisions(names: Iterable[str]) -> tuple[Precision, ...]:
    """The precisions of a list, each once.

    Args:
        names: Each a precision, or several with commas between.

    Raises:
        ConfigError: There is no such precision, or not on this processor.
    """
    parts = dict.fromkeys(part.strip() for name in names for part in name.split(","))
    return tuple(check_precision(part, torch.device("cpu")) for part in parts)
