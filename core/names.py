"""Names of adapters, heads and tasks.

A name becomes a folder, a metric's label and part of a URL, so it is held to what all of them take.
"""

from __future__ import annotations

import re
from typing import TypeGuard

from polyhead.errors import InvalidNameError, shown

__all__ = ["check_name", "is_name"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


def is_name(name: object) -> TypeGuard[str]:
    """Whether `name` may name an adapter, head or task."""
    return isinstance(name, str) and _NAME.fullmatch(name) is not None


def check_name(name: object, what: str) -> str:
    """`name` itself.

    Args:
        name: What the caller passed.
        what: What it names, for the message: "adapter", "head" or "task".

    Raises:
        InvalidNameError: It is not 1 to 64 ASCII letters, digits, '_' or '-', the first a letter or
            digit.
    """
    if not is_name(name):
        given = shown(name)
        article = "an" if what.startswith(("a", "e", "i", "o", "u")) else "a"
        raise InvalidNameError(
            f"{given} cannot name {article} {what}: use 1 to 64 of the letters a-z, A-Z, digits, "
            "'_' and '-', the first one a letter or digit."
        )
    return name
