"""A small network beside the frozen encoder: the kind of adapter `ladder`.

What is here is imported when it is first used: asking what is installed does not load torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from polyhead_ladder.adapter import LadderAdapter
    from polyhead_ladder.config import LadderConfig

__all__ = ["LadderAdapter", "LadderConfig"]

_HOMES = {"LadderAdapter": "adapter", "LadderConfig": "config"}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
