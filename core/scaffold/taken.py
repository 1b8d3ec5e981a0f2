"""Names that a new plugin cannot have, since something installed has them."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from typing import TYPE_CHECKING

from polyhead.errors import NameTakenError, PolyheadError

if TYPE_CHECKING:
    from polyhead.registry import Registry
    from polyhead.scaffold.names import PluginNames

__all__ = ["check_untaken"]


def check_untaken(names: PluginNames, registry: Registry) -> None:
    """Refuses the names of a distribution, a package or a kind that is there.

    Raises:
        NameTakenError: One is; the message says whose it is.
    """
    owner = _distribution(names) or _package(names) or _kind(names, registry)
    if owner is not None:
        raise NameTakenError(f"{owner}; choose another name for the plugin.")


def _distribution(names: PluginNames) -> str | None:
    try:
        found = distribution(names.distribution)
    except PackageNotFoundError:
        return None
    return f"the distribution {names.distribution} {found.version} is installed"


def _package(names: PluginNames) -> str | None:
    spec = find_spec(names.package)
    # a folder without __init__.py counts as a package too, also one that only happens to lie here
    if spec is None or spec.origin is None:
        return None
    return f"a package {names.package} is installed, in {spec.origin}"


def _kind(names: PluginNames, registry: Registry) -> str | None:
    if names.sort == "head":
        taken, provider_of = registry.head_kinds(), registry.provider_of_head
    else:
        taken, provider_of = registry.adapter_kinds(), registry.provider_of_adapter
        if names.kind in registry.adapter_presets():
            return f"{names.kind!r} is the name of an adapter preset that is installed"
    if names.kind not in taken:
        return None
    try:
        owner = str(provider_of(names.kind))
    except PolyheadError:  # two plugins claim it; a third should not
        owner = "several plugins"
    return f"the {names.sort} kind {names.kind!r} is that of {owner}"
