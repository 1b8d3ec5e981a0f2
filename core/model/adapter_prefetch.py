"""Adapters that are kept in the host's memory and brought to the GPU when they are needed.

With thousands of adapters a GPU need not hold them all. Those of the next batch are brought over
while it computes the current one; what was used longest ago gives way.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import torch

from polyhead.errors import ConfigError, shown
from polyhead.model.device_lanes import lanes_of
from polyhead.model.host_copy import HostCopy

if TYPE_CHECKING:
    from torch import Tensor

    from polyhead.composition import AdapterTable
    from polyhead.contracts import Adapter
    from polyhead.model.device_lanes import Event, Lanes

__all__ = ["AdapterPrefetch", "AdaptersThere"]


@dataclass(frozen=True)
class AdaptersThere:
    """Some of a model's adapters, where the encoder is.

    Attributes:
        table: All of the model's.
        twins: Those that are there.
    """

    table: AdapterTable
    twins: Mapping[str, Adapter]

    @property
    def fusions(self) -> Mapping[str, tuple[str, ...]]:
        """For each adapter that fuses others, their names."""
        return self.table.fusions

    def find(self, name: str) -> Adapter:
        """The one of that name: as it is there, or else as it is in the model.

        Raises:
            UnknownAdapterError: There is none.
        """
        return self.twins.get(name) or self.table.find(name)


@dataclass(eq=False)
class _Resident:
    """An adapter on the device.

    Attributes:
        host: What it is a copy of.
        writes: How often that had been written.
        flat: Its weights.
        twin: The adapter.
        ready: What is reached when its weights are there.
        used: What is reached when it is no longer read, for each stream that did.
        leases: How many calls use it now.
    """

    host: HostCopy
    writes: tuple[int, ...]
    flat: Tensor
    twin: Adapter
    ready: Event
    used: dict[int, Event] = field(default_factory=dict)
    leases: int = 0

    def is_of(self, host: HostCopy) -> bool:
        """Whether it is a copy of `host` as that is now."""
        return self.host is host and self.writes == host.writes()


class AdapterPrefetch:
    """The adapters of a model that are on its device, up to a bound of bytes.

    The adapters themselves stay in the host's memory, and stay the truth: one that is written is
    brought over anew. Any number of threads may use it.

    Attributes:
        max_bytes: The bound.
    """

    def __init__(
        self,
        table: AdapterTable,
        max_bytes: int,
        lanes_on: Callable[[torch.device], Lanes | None] = lanes_of,
    ) -> None:
        """Brings nothing over yet.

        Args:
            table: The model's adapters.
            max_bytes: Most bytes of weights on the device.
            lanes_on: How copies are made to a device; None where none are needed.

        Raises:
            ConfigError: `max_bytes` is no whole number above 0.
        """
        if isinstance(max_bytes, bool) or not isinstance(max_bytes, int) or max_bytes < 1:
            raise ConfigError(
                f"max_bytes is the most bytes of adapters on the device, a whole number above 0, "
                f"not {shown(max_bytes)}."
            )
        self.max_bytes = max_bytes
        self._table = table
        self._lanes_on = lanes_on
        self._start_anew()

    @property
    def n_bytes(self) -> int:
        """The bytes of weights on the device now."""
        return sum(each.host.n_bytes for each in (*self._residents.values(), *self._leaving))

    def keep(self, adapter: Adapter, device: torch.device) -> None:
        """Moves the weights of an adapter to the host's memory, if calls on `device` need it."""
        with self._changed:
            lanes = self._lanes(device)
            if lanes is not None:
                self._host(adapter, lanes)

    def start(self, names: Iterable[str], device: torch.device) -> None:
        """Begins to bring adapters over, as far as there is room beside those in use.

        Args:
            names: Those that will be needed, the first ones first.
            device: Where.

        Raises:
            UnknownAdapterError: There is none of a name.
        """
        adapters = {name: self._table.find(name) for name in dict.fromkeys(names)}
        with self._changed:
            lanes = self._lanes(device)
            if lanes is None:
                return
            for name, adapter in adapters.items():
                host = self._host(adapter, lanes)
                if self._held(adapters) + host.n_bytes <= self.max_bytes or self._has(name, host):
                    self._bring(name, host, adapters, lanes)

    @contextmanager
    def leased(self, names: Iterable[str], device: torch.device) -> Iterator[AdapterTable]:
        """The adapters for a call, those of `names` on the device.

        They stay there for as long as the context lasts, and until what was started in it is done.

        Args:
            names: Those that the call uses.
            device: Where.

        Raises:
            UnknownAdapterError: There is none of a name.
            ConfigError: They do not fit all together; or gradients are recorded, which would be
                those of copies.
        """
        adapters = {name: self._table.find(name) for name in dict.fromkeys(names)}
        with self._changed:
            lanes = self._lanes(device)
            residents = {} if lanes is None else self._taken(adapters, lanes)
        if lanes is None:
            yield self._table
            return
        try:
            for event in dict.fromkeys(each.ready for each in residents.values()):
                lanes.wait(event)
            twins = {name: each.twin for name, each in residents.items()}
            for name, twin in twins.items():
                if twin.training != adapters[name].training:
                    twin.train(adapters[name].training)
            yield AdaptersThere(self._table, twins)
        finally:
            self._give_back(residents.values(), lanes)

    def forget(self) -> None:
        """Frees all that no call uses; the rest when it is given back."""
        with self._changed:
            for name in list(self._residents):
                self._drop(name)
            self._hosts.clear()

    def _start_anew(self) -> None:
        self._changed = threading.Condition()
        self._place: tuple[torch.device, Lanes | None] | None = None
        self._hosts: WeakKeyDictionary[Adapter, HostCopy] = WeakKeyDictionary()
        self._residents: OrderedDict[str, _Resident] = OrderedDict()
        self._leaving: list[_Resident] = []

    def _lanes(self, device: torch.device) -> Lanes | None:
        """Those of the device that calls are computed on now."""
        if self._place is None or self._place[0] != device:
            for name in list(self._residents):
                self._drop(name)
            self._place = device, self._lanes_on(device)
        return self._place[1]
