"""The adapters of a model by name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from polyhead.contracts import Adapter, FusingAdapter
from polyhead.errors import UnknownAdapterError
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
        """
        super().add(name, module)
        if isinstance(module, FusingAdapter):
            self._fusions[name] = module.fused

    def remove(self, name: str) -> Adapter:
        """Takes out the adapter of that name and returns it.

        Raises:
            UnknownAdapterError: It is not there.
        """
        self._fusions.pop(name, None)
        return super().remove(name)
