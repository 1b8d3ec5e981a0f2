"""The versions of tasks that are in memory, those used longest ago first."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass

from polyhead.artifact import SavedTask
from polyhead.serve.served_task import ServedTask

__all__ = ["Resident", "Residents"]


@dataclass(eq=False)
class Resident:
    """A version of a task in the model.

    Attributes:
        task: As an engine is asked for it.
        digest: Of its task.json, in full.
        saved: What its headers say.
        n_bytes: Of its weights.
        number: Counts what was loaded, so that the later has the higher one.
        n_leases: How many hold it.
        is_going: Whether it leaves the model as soon as nobody holds it.
    """

    task: ServedTask
    digest: str
    saved: SavedTask
    n_bytes: int
    number: int
    n_leases: int = 0
    is_going: bool = False


class Residents:
    """All of them by their keys in the model. Not safe between threads by itself.

    Attributes:
        n_bytes: Of all their weights.
        n_leases: Of all.
    """

    def __init__(self) -> None:
        self._by_key: OrderedDict[str, Resident] = OrderedDict()
        self.n_bytes = 0
        self.n_leases = 0

    def __len__(self) -> int:
        return len(self._by_key)

    def __iter__(self) -> Iterator[Resident]:
        return iter(list(self._by_key.values()))

    def find(self, key: str) -> Resident | None:
        """The one of that key; None where there is none."""
        return self._by_key.get(key)

    def add(self, resident: Resident) -> None:
        """Takes one in, as the last used."""
        self._by_key[resident.task.key] = resident
        self.n_bytes += resident.n_bytes

    def remove(self, resident: Resident) -> None:
        """Forgets one."""
        del self._by_key[resident.task.key]
        self.n_bytes -= resident.n_bytes

    def lease(self, resident: Resident) -> None:
        """Takes note that one is used."""
        resident.n_leases += 1
        resident.is_going = False
        self.n_leases += 1
        self._by_key.move_to_end(resident.task.key)

    def release(self, resident: Resident) -> None:
        """Takes note that it is not used any more."""
        resident.n_leases -= 1
        self.n_leases -= 1

    def put_first(self, resident: Resident) -> None:
        """Makes it the first to give way."""
        self._by_key.move_to_end(resident.task.key, last=False)

    def of(self, name: str) -> list[Resident]:
        """All versions of a task, the last used first."""
        return [one for one in reversed(self._by_key.values()) if one.task.name == name]
