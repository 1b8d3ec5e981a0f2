"""The plugin that registers the union of several kinds of adapters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from polyhead.composition.union import UnionAdapter
from polyhead.hookspecs import hookimpl

if TYPE_CHECKING:
    from collections.abc import Callable

    from polyhead.contracts import Adapter

__all__ = ["polyhead_register_adapters"]


@hookimpl
def polyhead_register_adapters(register: Callable[[type[Adapter]], None]) -> None:
    """Registers the union with its presets."""
    register(UnionAdapter)
