"""Which plugins are switched off, and by what."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from polyhead.host.records import canonical_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from polyhead.host.records import PluginRecord

__all__ = ["DISABLE_VARIABLE", "EVERY_PLUGIN", "Switches"]

DISABLE_VARIABLE: Final = "POLYHEAD_DISABLE_PLUGINS"
"""The environment variable that names plugins to leave alone."""
EVERY_PLUGIN: Final = frozenset({"all", "*"})
"""Each of these stands for every plugin that is not built in."""


class Switches:
    """Names of distributions and entry points that are switched off.

    Attributes:
        source: What said so: an environment variable or an option.
    """

    def __init__(self, names: Iterable[str], source: str) -> None:
        self.source = source
        self._names = {canonical_name(name): name for name in names if name}
        self._unused = set(self._names)

    @classmethod
    def of_environment(cls) -> Switches:
        """What POLYHEAD_DISABLE_PLUGINS says now."""
        listed = os.environ.get(DISABLE_VARIABLE, "")
        return cls((name.strip() for name in listed.split(",")), DISABLE_VARIABLE)

    def apply(self, record: PluginRecord) -> bool:
        """Whether the plugin is switched off; its record says so from now on."""
        own = {record.provider.key, canonical_name(record.name)} | EVERY_PLUGIN
        named = own & self._names.keys()
        self._unused -= named
        if named:
            record.disabled = self.source
        return bool(named)

    def unknown(self) -> list[str]:
        """The names that no plugin has, as they were given, once every plugin was asked about."""
        return sorted(self._names[key] for key in self._unused - EVERY_PLUGIN)
