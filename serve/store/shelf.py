"""The versions that are in memory: leased, given up, and removed to make room."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from polyhead.errors import PolyheadError
from polyhead.serve.store.lease import Lease
from polyhead.serve.store.residents import Resident, Residents

if TYPE_CHECKING:
    from polyhead.model import DistilBertModelWithHeads
    from polyhead.serve.served_task import ServedTask

__all__ = ["Shelf"]


class Shelf:
    """What the model holds for a store. The store's lock is held around every call but `abandon`.

    Attributes:
        residents: The versions.
        n_evictions: How many made room for others.
    """

    def __init__(
        self,
        model: DistilBertModelWithHeads,
        max_bytes: int,
        *,
        is_pinned: Callable[[Resident], bool],
        release: Callable[[Lease], None],
    ) -> None:
        """Makes an empty one.

        Args:
            model: It holds the versions.
            max_bytes: Of weights, beyond what is leased and pinned.
            is_pinned: Whether a version is never removed to make room.
            release: What a lease calls that is given back.
        """
        self.residents = Residents()
        self.n_evictions = 0
        self._model = model
        self._max_bytes = max_bytes
        self._is_pinned = is_pinned
        self._release = release
        self._abandoned: deque[str] = deque()  # appended to without the lock

    def find(self, key: str) -> Resident | None:
        """The version of that key in the model; None where there is none."""
        return self.residents.find(key)

    def add(self, resident: Resident) -> None:
        """Takes in a version that the model has got."""
        self.residents.add(resident)

    def lease(self, resident: Resident) -> Lease:
        """Has a version stay until the lease is given back."""
        self.residents.lease(resident)
        return Lease(resident.task, self._release, self.abandon)

    def give_back(self, key: str) -> None:
        """Takes a lease back; removes what leaves, and what is too much."""
        resident = self.residents.find(key)
        if resident is None:
            return
        self.residents.release(resident)
        if resident.is_going:
            self.unload(resident)
        self.make_room()

    def abandon(self, task: ServedTask) -> None:
        """Takes note, in any thread, of a lease that was forgotten."""
        self._abandoned.append(task.key)

    def collect(self) -> None:
        """Takes back the leases that were forgotten."""
        while self._abandoned:
            self.give_back(self._abandoned.popleft())

    def unload(self, resident: Resident) -> None:
        """Removes a version, as soon as nobody holds it."""
        resident.is_going = True
        if resident.n_leases:
            return
        self.residents.remove(resident)
        with suppress(PolyheadError):  # somebody has deleted it from the model by hand
            self._model.delete_task(resident.task.key)

    def make_room(self) -> None:
        """Removes what was used longest ago until the rest is not too much."""
        if self.residents.n_bytes <= self._max_bytes:
            return
        for resident in self.residents:
            if resident.n_leases or self._is_pinned(resident):
                continue
            self.unload(resident)
            self.n_evictions += 1
            if self.residents.n_bytes <= self._max_bytes:
                return
