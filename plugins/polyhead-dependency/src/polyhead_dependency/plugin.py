"""The plugin that the entry point names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polyhead as ph

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["POLYHEAD_API", "polyhead_register_heads"]

POLYHEAD_API = 1


@ph.hookimpl
def polyhead_register_heads(register: Callable[[type[ph.Head]], None]) -> None:
    """Registers the kind of head `dependency`."""
    from polyhead_dependency.head import DependencyHead  # noqa: PLC0415 - it loads torch

    register(DependencyHead)
