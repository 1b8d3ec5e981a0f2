"""The plugin that the entry point names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polyhead as ph

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["POLYHEAD_API", "polyhead_register_adapters"]

POLYHEAD_API = 1


@ph.hookimpl
def polyhead_register_adapters(register: Callable[[type[ph.Adapter]], None]) -> None:
    """Registers the kind of adapter `ladder` with its presets."""
    from polyhead_ladder.adapter import LadderAdapter  # noqa: PLC0415 - it loads torch

    register(LadderAdapter)
