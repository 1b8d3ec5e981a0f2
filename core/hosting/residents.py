"""The adapters that are on a device now, up to a bound of bytes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import torch

from polyhead.hosting.host_copy import HostCopy

if TYPE_CHECKING:
    from torch import Tensor

    from polyhead.contracts import Adapter
    from polyhead.hosting.device_lanes import Event, Lanes

__all__ = ["Resident", "Residents", "Wanted"]


class Wanted(NamedTuple):
    """An adapter in the host's memory, as it is now.

    Attributes:
        host: The adapter.
        writes: How often it was written.
    """

    host: HostCopy
    writes: tuple[int, ...]


@dataclass(eq=False)
class Resident:
    """An adapter on the device.

    Attributes:
        host: What it is a copy of.
        writes: How often that had been written.
        lanes: Those of the device.
        flat: Its weights.
        twin: The adapter.
        ready: What is reached when its weights are there.
        used: What is reached when it is no longer read, for each stream that did.
        leases: How many calls use it now.
        is_leaving: Whether no further call may use it.
    """

    host: HostCopy
    writes: tuple[int, ...]
    lanes: Lanes
    flat: Tensor
    twin: Adapter
    ready: Event
    used: dict[int, Event] = field(default_factory=dict)
    leases: int = 0
    is_leaving: bool = False

    def is_of(self, wanted: Wanted) -> bool:
        """Whether it is a copy of that adapter, as that is."""
        return self.host is wanted.host and self.writes == wanted.writes


class Residents:
    """Those of one model, by name. One thread at a time uses it.

    Attributes:
        max_bytes: The bound.
        n_bytes: The weights that are there now.
    """

    def __init__(self, max_bytes: int) -> None:
        """Starts with none.

        Args:
            max_bytes: Most bytes of weights on the device.
        """
        self.max_bytes = max_bytes
        self.n_bytes = 0
        self._by_name: OrderedDict[str, Resident] = OrderedDict()  # used longest ago first
        self._in_use: set[Resident] = set()

    @property
    def names(self) -> tuple[str, ...]:
        """Those that are there, the one that was used longest ago first."""
        return tuple(self._by_name)

    @property
    def is_idle(self) -> bool:
        """Whether no call uses any."""
        return not self._in_use

    def has(self, name: str, wanted: Wanted) -> bool:
        """Whether an adapter is there as it is now."""
        found = self._by_name.get(name)
        return found is not None and found.is_of(wanted)

    def bytes_that_stay(self, names: Collection[str]) -> int:
        """The bytes in use, and those of adapters of some names."""
        there = {each for name, each in self._by_name.items() if name in names}
        return sum(each.host.n_bytes for each in self._in_use | there)

    def bytes_beside(self, wanted: Mapping[str, Wanted]) -> int:
        """The bytes in use by others, without what these adapters can share with them."""
        if not self._in_use:
            return 0
        shared = {self._by_name[name] for name, each in wanted.items() if self.has(name, each)}
        return sum(each.host.n_bytes for each in self._in_use - shared)

    def brought(self, name: str, wanted: Wanted, needed: Collection[str], lanes: Lanes) -> Resident:
        """An adapter on the device, or on its way there.

        Args:
            name: The adapter's.
            wanted: The adapter.
            needed: Names of those that must not give way to it.
            lanes: Those of the device.
        """
        if name in self._by_name and not self.has(name, wanted):
            self.drop(name)
        if name not in self._by_name:
            self._by_name[name] = self._copied(wanted, needed, lanes)
            self.n_bytes += wanted.host.n_bytes
        self._by_name.move_to_end(name)
        return self._by_name[name]

    def lease(self, residents: Iterable[Resident]) -> None:
        """Lets a call use some: they stay until it gives them back."""
        for each in residents:
            each.leases += 1
            self._in_use.add(each)

    def give_back(self, residents: Iterable[Resident], lane: int, done: Event) -> None:
        """Ends a call's use of some.

        Args:
            residents: Those that it was lent.
            lane: The stream that read them.
            done: What is reached there when they are no longer read.
        """
        for each in residents:
            each.used[lane] = done
            each.leases -= 1
            if not each.leases:
                self._in_use.discard(each)
                if each.is_leaving:
                    self._free(each)

    def drop(self, name: str) -> None:
        """Frees the adapter of that name, if it is there, as soon as no call uses it."""
        resident = self._by_name.pop(name, None)
        if resident is None:
            return
        resident.is_leaving = True
        if not resident.leases:
            self._free(resident)

    def drop_all(self) -> None:
        """Frees all, likewise."""
        for name in list(self._by_name):
            self.drop(name)

    def _copied(self, wanted: Wanted, needed: Collection[str], lanes: Lanes) -> Resident:
        host, writes = wanted  # seen before the copy: what is written meanwhile is copied next time
        old = self._given_way(host, needed)
        if old is None:
            with torch.inference_mode(mode=False):
                flat = lanes.memory(host.n_bytes)
            twin, after = host.twin(flat), []
        else:
            flat, twin, after = old.flat, old.twin, list(old.used.values())
        ready = lanes.copy(flat, host.flat, after)
        return Resident(host, writes, lanes, flat, twin, ready)

    def _given_way(self, host: HostCopy, needed: Collection[str]) -> Resident | None:
        """Makes room; returns one in whose place the adapter fits as it is, if there was one."""
        while self.n_bytes + host.n_bytes > self.max_bytes:
            name, oldest = next(
                (name, each)
                for name, each in self._by_name.items()
                if not each.leases and name not in needed
            )
            if oldest.host.sort == host.sort:
                del self._by_name[name]
                self.n_bytes -= host.n_bytes
                return oldest
            self.drop(name)
        return None

    def _free(self, resident: Resident) -> None:
        resident.lanes.settle(resident.used.values())
        self.n_bytes -= resident.host.n_bytes
