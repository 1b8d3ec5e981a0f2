"""What is checked of a plugin after its import, before anything in it is called."""

from __future__ import annotations

import inspect
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final

from polyhead import hookspecs
from polyhead.errors import ContractError, listing

if TYPE_CHECKING:
    from collections.abc import Callable

    import pluggy

__all__ = ["HOOKS", "OBSERVERS", "check_complete", "check_hooks"]

HOOKS: Final = {
    name: tuple(inspect.signature(getattr(hookspecs, name)).parameters)
    for name in hookspecs.__all__
    if name.startswith("polyhead_")
}
"""Every hook and the names of its arguments."""
OBSERVERS: Final = frozenset(name for name in HOOKS if name.endswith("_event"))
"""The hooks that are told and not asked."""


def check_complete(plugin: object, target: str) -> None:
    """Refuses what is no plugin, or is not one yet.

    Raises:
        ContractError: It is None, or a module in the middle of its import.
        TypeError: It has no hash, which pluggy needs.
    """
    if plugin is None:  # pluggy would pass over it in silence
        raise ContractError(f"{target} is None, not a module or an object.")
    hash(plugin)  # pluggy keeps plugins in sets, and would fail for every later one
    if getattr(getattr(plugin, "__spec__", None), "_initializing", False):
        raise ContractError(
            f"{target} asks polyhead for something while it is imported, before its hooks are "
            "defined; move what asks into a function."
        )


def check_hooks(plugin: object, target: str, manager: pluggy.PluginManager) -> list[str]:
    """The hooks that a plugin implements.

    Args:
        plugin: What its entry point leads to.
        target: What the entry point says.
        manager: Knows what is marked.

    Raises:
        ContractError: A function is marked that is no hook, or takes other arguments than its hook
            has, or is one that returns before it runs; one that has a hook's name is not marked; or
            there is none at all.
    """
    found = []
    for attribute in dir(plugin):
        options: Any = manager.parse_hookimpl_opts(plugin, attribute)
        if options is None:
            _check_unmarked(plugin, attribute)
            continue
        name = options.get("specname") or attribute
        if name not in HOOKS:
            if options.get("optionalhook"):  # its author knows that there are hosts without it
                continue
            raise _unknown_hook(name)
        if options.get("wrapper") or options.get("hookwrapper"):
            raise ContractError(f"{name} is a wrapper, and no other plugin is called inside it.")
        _check_function(name, getattr(plugin, attribute))
        found.append(name)
    if not found:
        raise ContractError(f"{target} implements none of the hooks: {listing(list(HOOKS))}.")
    return found


def _unknown_hook(name: str) -> ContractError:
    close = get_close_matches(name, HOOKS, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    return ContractError(f"{name!r} is no hook; there are: {listing(list(HOOKS))}.{hint}")


def _check_unmarked(plugin: object, attribute: str) -> None:
    if attribute in HOOKS and inspect.isroutine(getattr(plugin, attribute)):
        raise ContractError(f"{attribute} is not marked as a hook; put @polyhead.hookimpl on it.")


def _check_function(name: str, function: Callable[..., object]) -> None:
    if (
        inspect.iscoroutinefunction(function)
        or inspect.isgeneratorfunction(function)
        or inspect.isasyncgenfunction(function)
    ):
        raise ContractError(
            f"{name} is a coroutine or a generator, which would not run when it is called; make it "
            "a plain function."
        )
    for argument in inspect.signature(function).parameters.values():
        problem = _problem(name, argument)
        if problem is not None:
            raise ContractError(
                f"{name} has the argument {argument.name!r}: {problem}; the arguments of this hook "
                f"are: {listing(list(HOOKS[name]))}."
            )


def _problem(hook: str, argument: inspect.Parameter) -> str | None:
    """What is wrong with an argument; a hook may leave out any that it does not need."""
    if argument.kind in {argument.VAR_POSITIONAL, argument.VAR_KEYWORD}:
        return "hooks are given what they name and nothing more"
    has_default = argument.default is not argument.empty
    if argument.name not in HOOKS[hook]:
        return None if has_default else "there is none of that name"
    if has_default or argument.kind is argument.KEYWORD_ONLY:
        return "it is given by its place, so that a default or a star in front would hide it"
    return None
