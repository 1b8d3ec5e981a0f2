"""Whose weights are trained where several adapters are put together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from polyhead.composition.blocks import AdapterSetup, Fuse, Stack
from polyhead.composition.composed import fusion_of

if TYPE_CHECKING:
    from polyhead.composition.composed import AdapterTable

__all__ = ["trained_names"]


def trained_names(setup: AdapterSetup, adapters: AdapterTable) -> tuple[str, ...]:
    """The adapters that learn when a task with `setup` is trained and nothing else is said.

    Of a stack its last; of a fusion its own weights, and not those of what it fuses; of an average
    or a split all. This is what the papers do: the others were learned before.

    Args:
        setup: Of the task.
        adapters: Those of the model.

    Raises:
        UnknownAdapterError: There is no fusion of the adapters that Fuse names.
        ConfigError: There are several.
    """
    if setup is None:
        return ()
    if isinstance(setup, str):
        return (setup,)
    if isinstance(setup, Fuse):
        return (fusion_of(setup, adapters),)
    children = setup.children[-1:] if isinstance(setup, Stack) else setup.children
    found = (name for child in children for name in trained_names(child, adapters))
    return tuple(dict.fromkeys(found))
