"""The plugins that are installed, found without importing any."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import Distribution, EntryPoint, distributions
from typing import TYPE_CHECKING, Final

from polyhead.host.records import NAMELESS, PluginRecord, Provider

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["ENTRY_POINT_GROUP", "InstalledPlugin", "find_plugins"]

ENTRY_POINT_GROUP: Final = "polyhead"


@dataclass(frozen=True)
class InstalledPlugin:
    """An entry point of our group and the distribution that has it."""

    record: PluginRecord
    entry_point: EntryPoint
    distribution: Distribution


def find_plugins(report: Callable[[Provider, Exception], None]) -> list[InstalledPlugin]:
    """Every entry point of our group, once for each distribution, in a stable order.

    Args:
        report: Called for a distribution whose list of entry points cannot be read.
    """
    found: dict[tuple[str, str, str], InstalledPlugin] = {}
    for distribution in distributions():
        try:
            entry_points = distribution.entry_points.select(group=ENTRY_POINT_GROUP)
        except Exception as error:  # noqa: BLE001 - whatever parsing a damaged file raises
            report(_provider(distribution), error)
            continue
        for entry_point in entry_points:
            provider = _provider(distribution)
            record = PluginRecord(entry_point.name, provider, entry_point.value)
            # the first on sys.path wins, as for imports; those without a name are not one
            target = "" if provider.is_named else entry_point.value
            key = (provider.key, entry_point.name, target)
            found.setdefault(key, InstalledPlugin(record, entry_point, distribution))
    return [found[key] for key in sorted(found)]


def _provider(distribution: Distribution) -> Provider:
    """Whose it is; an interrupted uninstall leaves folders without metadata."""
    try:
        # both are None there, and raise in later Pythons
        return Provider(distribution.name or NAMELESS, distribution.version or NAMELESS)
    except Exception:  # noqa: BLE001 - whatever reading a damaged file raises
        return Provider(NAMELESS, NAMELESS)
