"""Whether two modules are the same adapter."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from polyhead.contracts import Adapter

__all__ = ["is_same"]


def is_same(one: Adapter | None, other: Adapter) -> bool:
    """Whether `one` is there, of the same class and configuration, and has equal weights."""
    if one is None or type(one) is not type(other) or one.config != other.config:
        return False
    own, theirs = one.state_dict(), other.state_dict()
    return own.keys() == theirs.keys() and all(
        torch.equal(weight, theirs[name].to(weight)) for name, weight in own.items()
    )
