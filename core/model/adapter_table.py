"""The adapters of a model by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from polyhead.contracts import Adapter, FusingAdapter
from polyhead.errors import ConfigError, UnknownAdapterError
from polyhead.model.table import ModuleTable

__all__ = ["AdapterTable"]


class AdapterTable(ModuleTable[Adapter]):
    """Adapters that come and go, and which of them fuse others.

    The latter are kept apart, so that looking for them takes no longer among a thousand.
    """

    def __init__(self) -> None:
        super().__init__("adapter", UnknownAdapterError)
        self._fusions: dict[str, tuple[str, ...]] = {}

    @property
    def fusions(self) -> Mapping[str, tuple[str, ...]]:
        """For each adapter that fuses others, their names; a live view."""
        return MappingProxyType(self._fusions)

    def add(self, name: str, module: Adapter) -> None:
        """Adds an adapter that is complete.

        Raises:
            NameTakenError: The name is in use.
            ConfigError: It would fuse itself, by way of others.
        """
        fused = module.fused if isinstance(module, FusingAdapter) else ()
        self._check_no_circle(name, fused)
        super().add(name, module)
        if fused:
            self._fusions[name] = fused

    def remove(self, name: str) -> Adapter:
        """Takes out the adapter of that name and returns it.

        Raises:
            UnknownAdapterError: It is not there.
        """
        self._fusions.pop(name, None)
        return super().remove(name)

    def _check_no_circle(self, name: str, fused: Sequence[str]) -> None:
        below = list(fused)
        for each in below:
            if each == name:
                raise ConfigError(
                    f"the adapter {name!r} fuses {', '.join(fused)}, and so itself in the end."
                )
            below += [one for one in self._fusions.get(each, ()) if one not in below]
