"""A model on a GPU whose adapters may stay in the host's memory until they are needed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from polyhead.hosting.adapter_prefetch import AdapterPrefetch
from polyhead.model.parts import ModelParts

if TYPE_CHECKING:
    from polyhead.composition import AdapterSetup, AdapterTable

__all__ = ["HostedAdaptersModel"]


class HostedAdaptersModel(ModelParts):
    """A model that may keep more adapters than its GPU has room for."""

    def keep_adapters_on_host(self, max_bytes: int) -> None:
        """Keeps the adapters in the host's pinned memory, and on the GPU only those in use.

        For models on a GPU whose adapters do not fit beside the encoder, or would take too much;
        elsewhere they stay where they are. A call waits for those that it needs unless
        `prefetch_adapters` has brought them over before. Calls that record gradients are refused,
        since they compute with copies.

        Args:
            max_bytes: Most bytes of adapters on the GPU; those used longest ago give way. One call
                must not need more.

        Raises:
            ConfigError: It is no whole number above 0.
        """
        prefetch = AdapterPrefetch(self._adapters, max_bytes)
        self.keep_adapters_on_device()
        self._adapters.prefetch = prefetch
        for name, adapter in self._adapters.view.items():
            prefetch.keep(name, adapter, self.device)

    def keep_adapters_on_device(self) -> None:
        """Takes `keep_adapters_on_host` back: all adapters are where the encoder is."""
        prefetch, self._adapters.prefetch = self._adapters.prefetch, None
        if prefetch is not None:
            prefetch.close()
            self._adapters.to(self.device)

    def prefetch_adapters(self, setups: Iterable[AdapterSetup]) -> None:
        """Begins to bring adapters to the GPU that the next calls will need, and returns at once.

        Where adapters are not kept in the host's memory, it does nothing.

        Args:
            setups: Names of adapters, several put together, or None; the first ones first, as far
                as there is room.

        Raises:
            UnknownAdapterError: An adapter is not there.
            ConfigError: There are several fusions of the adapters that a Fuse names.
        """
        prefetch = self._adapters.prefetch
        if prefetch is not None:
            prefetch.start(self._names_in(setups), self.device)

    @contextmanager
    def _at_hand(self, setups: Iterable[AdapterSetup]) -> Iterator[AdapterTable]:
        """The adapters of some rows where the encoder is, until what the context starts is done."""
        prefetch = self._adapters.prefetch
        if prefetch is None:
            yield self._adapters
        else:
            with prefetch.leased(self._names_in(setups), self.device) as found:
                yield found

    def _names_in(self, setups: Iterable[AdapterSetup]) -> list[str]:
        """The adapters that act where calls name `setups`, each once."""
        distinct = dict.fromkeys(setups)
        return list(dict.fromkeys(name for setup in distinct for name in self.adapters_of(setup)))
