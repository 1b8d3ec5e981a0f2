"""What the weights of each adapter or head are multiplied with before they are added up."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

from polyhead.errors import ConfigError, listing, shown

__all__ = ["equal_shares", "normalised", "read_shares"]

_MOST: Final = 1e6
"""Above it float32 keeps nothing of weights that have a share near 1."""


def read_shares(shares: object, what: str) -> dict[str, float]:
    """The shares that a caller gave.

    Args:
        shares: A mapping of names to numbers, negative ones among them perhaps.
        what: "adapter" or "head", for messages.

    Raises:
        ConfigError: It is no such mapping, it is empty, or a share is not a finite number.
    """
    if not isinstance(shares, Mapping) or not shares:
        raise ConfigError(
            f"give the {what}s to merge with their shares, such as {{'a': 0.5, 'b': 0.5}}, not "
            f"{shown(shares)}."
        )
    for name, share in shares.items():
        is_number = isinstance(share, int | float) and not isinstance(share, bool)
        if not is_number or not abs(share) <= _MOST:
            raise ConfigError(
                f"the share of the {what} {shown(name)} is {shown(share)}; give a number between "
                f"-{_MOST:g} and {_MOST:g}."
            )
    return {name: float(share) for name, share in shares.items()}


def equal_shares(names: Sequence[str], what: str) -> dict[str, float]:
    """The same share for each, 1 in all.

    Raises:
        ConfigError: There is none, or one is named twice.
    """
    if isinstance(names, str) or not names or not all(isinstance(name, str) for name in names):
        raise ConfigError(f"give a list of the {what}s to merge, not {shown(names)}.")
    twice = sorted({name for name in names if list(names).count(name) > 1})
    if twice:
        raise ConfigError(f"these {what}s are named twice: {listing(twice)}; name each once.")
    return dict.fromkeys(names, 1 / len(names))


def normalised(shares: Mapping[str, float], what: str) -> dict[str, float]:
    """The shares divided by their sum.

    Raises:
        ConfigError: They add up to 0.
    """
    total = math.fsum(shares.values())
    if abs(total) < 1e-9 * max(abs(share) for share in shares.values()) or total == 0:
        raise ConfigError(
            f"the shares of the {what}s add up to 0 and cannot be divided by their sum; take them "
            "as they are with normalize_weights=False."
        )
    return {name: share / total for name, share in shares.items()}
