"""Which versions are being loaded, and which could not be."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from polyhead.artifact import TASK_FILE, TaskContents
from polyhead.errors import ArtifactError, PolyheadError
from polyhead.serve.served_task import ServedTask
from polyhead.serve.store.archive import Archive
from polyhead.serve.store.catalogue import stamp_of, stamps_in
from polyhead.serve.store.entry import Entry, Failure, key_of, version_of
from polyhead.serve.store.flight import Flight, Waiter
from polyhead.serve.store.loading import ReplacedError, artifact_error, n_bytes_of, read_version
from polyhead.serve.store.residents import Resident
from polyhead.serve.store.settings import StoreSettings

if TYPE_CHECKING:
    from polyhead.model import DistilBertModelWithHeads

__all__ = ["Arrival", "Loads"]


@dataclass(frozen=True)
class Arrival:
    """A load that is done.

    Attributes:
        flight: Which.
        resident: What the model has got.
        seconds: What it took.
    """

    flight: Flight
    resident: Resident
    seconds: float


class Loads:
    """Single flight for each version. The store's lock is held around every call but `run`.

    Attributes:
        n_loads: Done so far.
        n_failures: Failed so far.
        seconds: Spent on both.
    """

    def __init__(
        self,
        model: DistilBertModelWithHeads,
        archive: Archive,
        settings: StoreSettings,
        clock: Callable[[], float],
        *,
        arrived: Callable[[Arrival], None],
        failed: Callable[[Flight, ArtifactError, float], None],
    ) -> None:
        """Begins with nothing.

        Args:
            model: Versions are loaded into it.
            archive: And kept there.
            settings: When a failed load may be tried again.
            clock: Tells seconds.
            arrived: Is called, without the lock, when a load is done.
            failed: Likewise when one has failed.
        """
        self.n_loads = self.n_failures = 0
        self.seconds = 0.0
        self._model = model
        self._archive = archive
        self._settings = settings
        self._clock = clock
        self._arrived = arrived
        self._failed = failed
        self._flights: dict[tuple[str, str], Flight] = {}
        self._numbers = count(1)

    @property
    def n_loading(self) -> int:
        """How many are under way or wait for a thread."""
        return len(self._flights)

    def is_loading(self, name: str) -> bool:
        """Whether any version of a task is under way."""
        return any(own == name for own, _ in self._flights)

    def flight(self, entry: Entry, digest: str) -> tuple[Flight, bool]:
        """The load of a version, and whether it is new and has to be run."""
        key = (entry.name, digest)
        known = self._flights.get(key)
        if known is not None:
            return known, False
        flight = self._flights[key] = Flight(entry.found, digest)
        return flight, True

    def end(self, flight: Flight) -> None:
        """Forgets a load that is over."""
        self._flights.pop((flight.found.name, flight.digest), None)

    def give_up(self) -> list[Waiter]:
        """Forgets all that have not ended, and returns those who waited for them."""
        waiters = []
        for flight in self._flights.values():
            waiters += flight.waiters
            flight.waiters = []  # it may still end
        self._flights.clear()
        return waiters

    def failure(self, entry: Entry, digest: str) -> Failure | None:
        """Why a version is not tried now; None where it may be, its files having changed too."""
        failure = entry.failures.get(digest)
        if failure is None or self._clock() >= failure.retry_at:
            return None
        if failure.stamps != stamps_in(entry.found.folder):
            del entry.failures[digest]
            return None
        return failure

    def is_waiting_to_retry(self, entry: Entry, digest: str) -> bool:
        """Whether it is too early to try a version again; its files are not looked at."""
        failure = entry.failures.get(digest)
        return failure is not None and self._clock() < failure.retry_at

    def count(self, seconds: float) -> None:
        """Takes note of a load that is done."""
        self.n_loads += 1
        self.seconds += seconds

    def count_failure(
        self, entry: Entry, digest: str, error: ArtifactError, seconds: float
    ) -> None:
        """Takes note of one that failed; the next try has to wait longer each time."""
        self.n_failures += 1
        self.seconds += seconds
        before = entry.failures.get(digest)
        delay_s = self._settings.retry_s if before is None else before.delay_s * 2
        delay_s = min(delay_s, self._settings.max_retry_s)
        stamps = stamps_in(entry.found.folder)
        entry.failures[digest] = Failure(error, self._clock() + delay_s, delay_s, stamps)

    def is_replaced(self, flight: Flight, error: ArtifactError) -> bool:
        """Whether the folder holds something else than when the load began."""
        if flight.digest != flight.found.digest:
            return False
        own = stamp_of(flight.found.folder / TASK_FILE)
        return isinstance(error, ReplacedError) or own != flight.found.stamp

    def run(self, flight: Flight) -> None:
        """Loads a version; never raises, and always tells how it ended."""
        start = self._clock()
        name = flight.found.name
        try:
            contents = read_version(flight.digest, self._places(flight))
            resident = self._put(contents, name)
        except BaseException as error:  # noqa: BLE001 - whatever it is, somebody waits for the end
            said = artifact_error(error, name, self._archive.folder.parent)
            self._failed(flight, said, self._clock() - start)
            return
        self._arrived(Arrival(flight, resident, self._clock() - start))
        self._archive.keep(name, contents, protected={flight.found.digest})

    def _places(self, flight: Flight) -> list[Path]:
        """Where the version may lie: in the archive, which nobody replaces, or in its folder."""
        kept = self._archive.place(flight.found.name, flight.digest)
        places = [] if kept is None else [kept]
        if flight.digest == flight.found.digest:
            places.append(flight.found.folder)
        return places

    def _put(self, contents: TaskContents, name: str) -> Resident:
        digest = contents.digest
        key = key_of(digest)
        self._model.load_task(contents, name=key, own_names=True)
        try:
            n_bytes = n_bytes_of(self._model, key)
        except BaseException:
            with suppress(PolyheadError):
                self._model.delete_task(key)
            raise
        task = ServedTask(name, key, version_of(digest))
        return Resident(task, digest, contents.saved, n_bytes, next(self._numbers))
