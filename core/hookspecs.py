"""The hooks by which plugins, built-in ones included, add to polyhead.

A plugin is a module (or object) with functions marked by `hookimpl`, named by an entry point of the
group `polyhead`. Registration hooks are called once a plugin, at the first look-up; a plugin that
fails is reported by `polyhead plugins` and stops no other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from polyhead.contracts import Adapter, Head, NamedBackbone, TrainEvent

__all__ = [
    "hookimpl",
    "polyhead_register_adapters",
    "polyhead_register_backbones",
    "polyhead_register_heads",
    "polyhead_train_event",
]

PROJECT = "polyhead"

hookimpl = pluggy.HookimplMarker(PROJECT)
hookspec = pluggy.HookspecMarker(PROJECT)


@hookspec
def polyhead_register_heads(register: Callable[[type[Head]], None]) -> None:
    """Called to collect kinds of heads.

    Args:
        register: Takes one subclass of `polyhead.Head`; call it once for each.
    """


@hookspec
def polyhead_register_adapters(register: Callable[[type[Adapter]], None]) -> None:
    """Called to collect kinds of adapters, with their presets.

    Args:
        register: Takes one subclass of `polyhead.Adapter`; call it once for each.
    """


@hookspec
def polyhead_register_backbones(register: Callable[[NamedBackbone], None]) -> None:
    """Called to collect backbones that have a name.

    Args:
        register: Takes one `polyhead.NamedBackbone`; call it once for each.
    """


@hookspec
def polyhead_train_event(event: TrainEvent) -> None:
    """Called for each thing that happens in a training run, in the thread that trains.

    An observer that raises is reported once as a warning and not called again in that run.

    Args:
        event: What happened.
    """
