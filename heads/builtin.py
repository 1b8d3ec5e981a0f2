"""The plugin that registers polyhead's own kinds of heads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from polyhead.heads.classification import ClassificationHead
from polyhead.hookspecs import hookimpl

if TYPE_CHECKING:
    from collections.abc import Callable

    from polyhead.contracts import Head

__all__ = ["polyhead_register_heads"]


@hookimpl
def polyhead_register_heads(register: Callable[[type[Head]], None]) -> None:
    """Registers the classification head."""
    register(ClassificationHead)
