"""The plugin that registers polyhead's own kinds of adapters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from polyhead.adapters.bottleneck import BottleneckAdapter
from polyhead.hookspecs import hookimpl

if TYPE_CHECKING:
    from collections.abc import Callable

    from polyhead.contracts import Adapter

__all__ = ["polyhead_register_adapters"]


@hookimpl
def polyhead_register_adapters(register: Callable[[type[Adapter]], None]) -> None:
    """Registers the bottleneck adapter with its presets."""
    register(BottleneckAdapter)
