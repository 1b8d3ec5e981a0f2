"""The hooks by which plugins, built-in ones included, add to polyhead.

A plugin is a module (or object) with functions marked by `hookimpl`, named by an entry point of the
group `polyhead`. Registration hooks are called once a plugin, when something of their sort is first
looked up; observers whenever there is something to tell. A plugin that fails is reported by
`polyhead plugins` and stops no other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import pluggy

if TYPE_CHECKING:
    from polyhead.contracts import Adapter, Head, NamedBackbone, ServeEvent, TrainEvent

__all__ = [
    "API_VERSION",
    "hookimpl",
    "polyhead_register_adapters",
    "polyhead_register_backbones",
    "polyhead_register_commands",
    "polyhead_register_heads",
    "polyhead_serve_event",
    "polyhead_train_event",
]

PROJECT: Final = "polyhead"
API_VERSION: Final = 1
"""The version of what plugins build on: the hooks, and what `polyhead` exports for them.

It rises when something is added; a plugin says with POLYHEAD_API in its module which one it needs.
"""

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
def polyhead_register_commands(register: Callable[[str, Callable[..., Any]], None]) -> None:
    """Called to collect commands of the command line, when one is asked for that is not built in.

    Args:
        register: Takes a name, of lower-case letters, digits and dashes, and a function as typer
            takes it or a `typer.Typer` with commands of its own; call it once for each.
    """


@hookspec
def polyhead_train_event(event: TrainEvent) -> None:
    """Called for each thing that happens in a training run, in the thread that trains.

    An observer that raises is reported once as a warning and not called again in that run.

    Args:
        event: What happened.
    """


@hookspec
def polyhead_serve_event(event: ServeEvent) -> None:
    """Called for each batch that was answered or failed, in the thread that answers.

    An observer that raises is reported once as a warning and not called again by that command or
    server; the answer is not touched.

    Args:
        event: What was asked and how it went.
    """
