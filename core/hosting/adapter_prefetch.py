"""Adapters that are kept in the host's memory and brought to the GPU when they are needed.

With thousands of adapters a GPU need not hold them all. Those of the next batch are brought over
while it computes the current one; what was used longest ago gives way.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from polyhead.errors import ConfigError, shown
from polyhead.hosting.device_lanes import lanes_of
from polyhead.hosting.host_copy import HostCopy
from polyhead.hosting.residents import Resident, Residents, Wanted

if TYPE_CHECKING:
    from polyhead.composition import AdapterTable
    from polyhead.contracts import Adapter
    from polyhead.hosting.device_lanes import Lanes

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
        found = self.twins.get(name)
        return self.table.find(name) if found is None else found


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
                "max_bytes is the most bytes of adapters on the device, a whole number above 0, "
                f"not {shown(max_bytes)}."
            )
        self.max_bytes = max_bytes
        self._table = table
        self._lanes_on = lanes_on
        self._start_anew()

    @property
    def n_bytes(self) -> int:
        """The weights that are on the device now."""
        return self._residents.n_bytes

    def keep(self, name: str, adapter: Adapter, device: torch.device | None = None) -> None:
        """Moves the weights of an adapter to the host's memory, unless calls read them there.

        Args:
            name: The adapter's.
            adapter: Wherever it is.
            device: Where calls are computed; when None, where they were so far.
        """
        with self._changed:
            lanes = self._place[1] if device is None else self._lanes(device)
            if lanes is not None:
                self._wanted(name, adapter, lanes)

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
            stays = self._residents.bytes_that_stay(adapters)
            for name, adapter in adapters.items():
                wanted = self._wanted(name, adapter, lanes)
                if not self._residents.has(name, wanted):
                    stays += wanted.host.n_bytes
                    if stays > self.max_bytes:
                        return
                self._residents.brought(name, wanted, adapters, lanes)

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
            for name, each in residents.items():
                if each.twin.training != adapters[name].training:
                    each.twin.train(adapters[name].training)
            yield AdaptersThere(self._table, {name: r.twin for name, r in residents.items()})
        finally:
            self._give_back(residents.values(), lanes)

    def forget(self, name: str) -> None:
        """Frees what there is of an adapter that is gone, as soon as no call uses it."""
        with self._changed:
            self._hosts.pop(name, None)
            self._residents.drop(name)

    def close(self) -> None:
        """Frees everything, as soon as no call uses it."""
        with self._changed:
            self._residents.drop_all()
            self._hosts.clear()

    def _start_anew(self) -> None:
        self._changed = threading.Condition()
        self._place: tuple[torch.device | None, Lanes | None] = None, None
        self._hosts: dict[str, HostCopy] = {}
        self._residents = Residents(self.max_bytes)

    def _lanes(self, device: torch.device) -> Lanes | None:
        """Those of the device that calls are computed on now."""
        if self._place[0] != device:
            self._residents.drop_all()
            self._place = device, self._lanes_on(device)
        return self._place[1]

    def _wanted(self, name: str, adapter: Adapter, lanes: Lanes) -> Wanted:
        """An adapter in the host's memory; moved there unless it is."""
        found = self._hosts.get(name)
        writes = None if found is None or found.adapter is not adapter else found.writes()
        if found is None or writes is None:
            found = self._hosts[name] = HostCopy(adapter, lanes.pinned)
            writes = found.writes() or ()
        return Wanted(found, writes)

    def _taken(self, adapters: Mapping[str, Adapter], lanes: Lanes) -> dict[str, Resident]:
        """Leases adapters, all at once: waiting with some would block others that wait."""
        if adapters and torch.is_grad_enabled():
            raise ConfigError(
                "the adapters are kept in the host's memory, and calls compute with copies that do "
                "not learn; call under torch.inference_mode(), or train after "
                "model.keep_adapters_on_device()."
            )
        while True:
            wanted = {name: self._wanted(name, each, lanes) for name, each in adapters.items()}
            needed = sum(each.host.n_bytes for each in wanted.values())
            if needed > self.max_bytes:
                raise ConfigError(
                    f"the {len(wanted)} adapters of this call have {needed} bytes of weights, and "
                    f"max_bytes is {self.max_bytes}; raise it, or name fewer in one call."
                )
            if needed + self._residents.bytes_beside(wanted) <= self.max_bytes:
                break
            self._changed.wait()
        found = {
            name: self._residents.brought(name, each, wanted, lanes)
            for name, each in wanted.items()
        }
        self._residents.lease(found.values())
        return found

    def _give_back(self, residents: Collection[Resident], lanes: Lanes) -> None:
        lane, done = lanes.mark()
        with self._changed:
            self._residents.give_back(residents, lane, done)
            self._changed.notify_all()

    # what lies on the device cannot be copied: the copy of a model brings over its own
    def __getstate__(self) -> dict[str, object]:
        names = ("max_bytes", "_table", "_lanes_on")
        return {name: self.__dict__[name] for name in names}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)
        self._start_anew()
