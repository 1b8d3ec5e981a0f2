"""Commands of the command line that plugins add."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any, Final

from polyhead.errors import ContractError, DuplicateKindError, shown
from polyhead.host.records import PluginRecord
from polyhead.host.shelf import Shelf

__all__ = ["BUILTIN_COMMANDS", "Command", "add_command"]

BUILTIN_COMMANDS: Final = (
    "adapters",
    "bench",
    "convert",
    "evaluate",
    "heads",
    "inspect",
    "plugin",
    "plugins",
    "predict",
    "pull",
    "push",
    "quickstart",
    "run",
    "serve",
    "tasks",
    "train",
)
"""The commands of polyhead itself, whose names no plugin may take."""

Command = Callable[..., Any]
"""A function as typer takes it, or a `typer.Typer`."""

_NAME: Final = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


def add_command(shelf: Shelf[Command], record: PluginRecord, name: object, command: object) -> None:
    """Takes a plugin's command.

    Raises:
        ContractError: The name or the command cannot be one.
        DuplicateKindError: It is the name of a built-in command.
    """
    if not isinstance(name, str) or _NAME.fullmatch(name) is None:
        raise ContractError(
            f"{shown(name)} cannot name a command: use lower-case letters, digits and single "
            "dashes between them, the first a letter."
        )
    if name in BUILTIN_COMMANDS:
        raise DuplicateKindError(
            f"command {name!r} is one of polyhead's own; {record} must give its command another "
            "name."
        )
    if not callable(command) or inspect.isclass(command):
        raise ContractError(
            f"the command {name!r} is {shown(command)}, not a function or a typer.Typer."
        )
    if inspect.iscoroutinefunction(command) or inspect.isgeneratorfunction(command):
        raise ContractError(
            f"the command {name!r} is a coroutine or a generator, which would not run when it is "
            "called; make it a plain function."
        )
    shelf.add(name, command, record)
