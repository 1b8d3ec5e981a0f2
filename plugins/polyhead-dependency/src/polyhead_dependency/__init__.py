"""Dependency parsing for polyhead: the kind of head `dependency`.

What is here is imported when it is first used: asking what is installed does not load torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from polyhead_dependency.config import DependencyHeadConfig
    from polyhead_dependency.example import DependencyExample
    from polyhead_dependency.head import DependencyHead
    from polyhead_dependency.prediction import DependencyPrediction

__all__ = [
    "DependencyExample",
    "DependencyHead",
    "DependencyHeadConfig",
    "DependencyPrediction",
]

_HOMES = {
    "DependencyExample": "example",
    "DependencyHead": "head",
    "DependencyHeadConfig": "config",
    "DependencyPrediction": "prediction",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
