"""Sizes of memory as people write them."""

import re
from typing import Final

from polyhead.errors import ConfigError, shown

__all__ = ["bytes_of"]

_SIZE: Final = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?)(i?)b?\s*", re.IGNORECASE)
_POWERS: Final = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}


def bytes_of(size: str, option: str) -> int:
    """The bytes that `size` is: "500MB", "1.5 GB", "2GiB", "1000000".

    Args:
        size: What was given.
        option: Where, for messages.

    Raises:
        ConfigError: It is no size, or none at all.
    """
    found = _SIZE.fullmatch(size)
    if found is not None:
        number, unit, binary = found.groups()
        n_bytes = int(float(number) * (1024 if binary else 1000) ** _POWERS[unit.lower()])
        if n_bytes > 0:
            return n_bytes
    raise ConfigError(
        f"{option} {shown(size)} is no size; give bytes, or a number such as 500MB, 1.5GB or 2GiB."
    )
