"""The adapters of a model by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import torch

from polyhead.contracts import Adapter, FusingAdapter
from polyhead.errors import ConfigError, UnknownAdapterError
from polyhead.hosting.adapter_prefetch import AdapterPrefetch
from polyhead.model.table import ModuleTable

__all__ = ["AdapterTable"]


class AdapterTable(ModuleTable[Adapter]):
    """Adapters that come and go, and which of them fuse others.

    The latter are kept apart, so that looking for them takes no longer among a thousand.

    Attributes:
        prefetch: Where adapters are kept that are on the device only while they are needed; None
            where all of them are.
    """

    def __init__(self) -> None:
        super().__init__("adapter", UnknownAdapterError)
        self._fusions: dict[str, tuple[str, ...]] = {}
        self.prefetch: AdapterPrefetch | None = None

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
        if self.prefetch is not None:
            self.prefetch.keep(name, module, _gpu_of(module))

    def replace(self, name: str, module: Adapter) -> None:
        """Puts an adapter in the place of another, between two calls.

        Raises:
            UnknownAdapterError: There is none of that name.
        """
        super().replace(name, module)
        if self.prefetch is not None:
            self.prefetch.keep(name, module, _gpu_of(module))

    def remove(self, name: str) -> Adapter:
        """Takes out the adapter of that name and returns it.

        Raises:
            UnknownAdapterError: It is not there.
        """
        self._fusions.pop(name, None)
        removed = super().remove(name)
        if self.prefetch is not None:
            self.prefetch.forget(name)
        return removed

    def _apply(self, fn: Any, recurse: bool = True) -> Any:
        applied = super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        if self.prefetch is not None:
            for name, adapter in self.view.items():
                self.prefetch.keep(name, adapter, _gpu_of(adapter))
        return applied

    def _check_no_circle(self, name: str, fused: Sequence[str]) -> None:
        below = list(fused)
        for each in below:
            if each == name:
                raise ConfigError(
                    f"the adapter {name!r} fuses {', '.join(fused)}, and so itself in the end."
                )
            below += [one for one in self._fusions.get(each, ()) if one not in below]


def _gpu_of(adapter: Adapter) -> torch.device | None:
    """The GPU that an adapter is on; None where it is on none."""
    found = next((weight.device for weight in adapter.parameters()), None)
    return found if found is not None and found.type == "cuda" else None
