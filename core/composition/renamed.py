"""The same setup of adapters under other names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from polyhead.composition.blocks import AdapterSetup, Average, Block, Fuse, Split, Stack

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["renamed"]


def renamed(setup: AdapterSetup, names: Mapping[str, str]) -> AdapterSetup:
    """A setup with its adapters, and the fusions that it names, called otherwise.

    Args:
        setup: As it is.
        names: The new name of each that changes; the others keep theirs.
    """
    if not isinstance(setup, Block):
        return setup if setup is None else names.get(setup, setup)
    children: list[str | Block] = [renamed(child, names) for child in setup.children]  # type: ignore[misc]
    match setup:
        case Fuse(name=name):
            return Fuse(*children, name=name if name is None else names.get(name, name))
        case Stack():
            return Stack(*children)
        case Average(weights=weights):
            return Average(*children, weights=weights)
        case Split(splits=splits):
            return Split(*children, splits=splits)
    return setup
