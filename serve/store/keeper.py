"""Which version answers, who gets a lease on it, and what becomes of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, Future
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from polyhead.errors import ArtifactError, UnavailableError, UnknownTaskError
from polyhead.serve.store.archive import Archive
from polyhead.serve.store.catalogue import Catalogue, Found
from polyhead.serve.store.choices import Choices
from polyhead.serve.store.entry import Entry, key_of
from polyhead.serve.store.flight import Flight, Waiter
from polyhead.serve.store.lease import Lease
from polyhead.serve.store.loads import Arrival, Loads
from polyhead.serve.store.residents import Resident
from polyhead.serve.store.settings import StoreSettings
from polyhead.serve.store.shelf import Shelf
from polyhead.serve.store.unknown import unknown_task
from polyhead.serve.store.versions import named, versions_of

if TYPE_CHECKING:
    from polyhead.model import DistilBertModelWithHeads

__all__ = ["Keeper"]

Effects = list[Callable[[], object]]
"""What is to be done when the lock is free again: it may call back, wait or write."""


class Keeper:
    """The inside of a store: its tasks, what is in the model, and one lock around all of it.

    Methods that say so are called with the lock held.

    Attributes:
        lock: Held while anything here is looked at or changed; never while something is waited
            for, and for no more than a few small reads of the disk.
        looking: Held, before `lock`, while the folder is looked at and choices are changed.
        entries: The tasks by their names.
        shelf: The versions in memory.
        loads: Those that are being loaded.
        archive: Those kept on disk.
        choices: The tasks that were rolled back.
        n_hits: Leases that were given at once.
        n_misses: Leases that had to wait.
        is_closed: Whether no lease is given any more.
    """

    def __init__(
        self,
        model: DistilBertModelWithHeads,
        folder: Path,
        settings: StoreSettings,
        executor: Executor,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Looks at the folder.

        Args:
            model: Versions are loaded into it.
            folder: Of the tasks.
            settings: How much is kept.
            executor: Runs the loads.
            clock: Tells seconds.

        Raises:
            ArtifactError: There is no such folder.
        """
        self.lock = threading.Lock()
        self.looking = threading.RLock()  # an executor may run a load in the thread that looks
        self.entries: dict[str, Entry] = {}
        self._catalogue = Catalogue(folder)
        self._catalogue.look()  # before the archive is made, which is in that folder
        self.archive = Archive(
            folder, max_versions=settings.max_versions, is_wanted=settings.archive
        )
        self.choices = Choices(self.archive)
        self.shelf = Shelf(
            model, settings.max_bytes, is_pinned=self._is_pinned, release=self._take_back
        )
        self.loads = Loads(
            model, self.archive, settings, clock, arrived=self._arrived, failed=self._failed
        )
        self.n_hits = self.n_misses = 0
        self.is_closed = False
        self._executor = executor
        self._max_versions = settings.max_versions
        self.look()

    @contextmanager
    def changing(self) -> Iterator[Effects]:
        """Holds the lock; what is put into the list is done after it."""
        effects: Effects = []
        # all of it is done, whatever one of them raises
        with ExitStack() as after, self.lock:
            self.shelf.collect()
            try:
                yield effects
            finally:
                for effect in reversed(effects):
                    after.callback(effect)

    def acquire(self, name: str, version: str | None = None) -> Future[Lease]:
        """A lease on a task, or an error; see the store."""
        waiter = Waiter()
        with self.changing() as effects:
            entry = self.entries.get(name) if isinstance(name, str) else None
            try:
                if version is not None and entry is not None:
                    waiter.digest = named(version, self.versions(entry))
            except UnknownTaskError as error:
                effects.append(partial(waiter.fail, error))
            else:
                self._serve(name, waiter, effects)
        return waiter.future

    def acquire_digest(self, name: str, digest: str) -> Future[Lease]:
        """A lease on the version of that digest, or an error."""
        waiter = Waiter(digest)
        with self.changing() as effects:
            self._serve(name, waiter, effects)
        return waiter.future

    def entry(self, name: object) -> Entry:
        """The task of that name. With the lock.

        Raises:
            UnknownTaskError: There is none.
        """
        entry = self.entries.get(name) if isinstance(name, str) else None
        if entry is None:
            raise unknown_task(name, self.entries)
        return entry

    def versions(self, entry: Entry) -> list[str]:
        """The digests of a task's versions, the newest first. With the lock."""
        return versions_of(entry, self.archive, self.shelf.residents.of(entry.name))

    def answering(self, entry: Entry) -> str | None:
        """The version that is to answer; None where there is none. With the lock."""
        target, current = entry.target, entry.current
        if current != target and self._is_resident(current):
            return current  # until the other is there
        if target is not None and self.loads.failure(entry, target) is None:
            return target
        if current is not None:
            return current
        kept = (one.digest for one in self.archive.versions(entry.name))
        return next((digest for digest in kept if digest != target), target)

    def put_current(self, entry: Entry, digest: str) -> None:
        """Has a version answer from now on; what did so before gives way first. With the lock."""
        before, entry.current = entry.current, digest
        if before is None or before == digest:
            return
        resident = self.shelf.find(key_of(before))
        if resident is not None:
            self.shelf.residents.put_first(resident)
        others = [one for one in self.shelf.residents.of(entry.name) if one.digest != digest]
        others.sort(key=lambda one: one.number, reverse=True)
        for old in others[self._max_versions - 1 :]:
            self.shelf.unload(old)

    def look(self) -> None:
        """Takes note of what the folder holds now. Without the lock.

        Raises:
            ArtifactError: The folder is gone; all stays as it is.
        """
        with self.looking:
            found = self._catalogue.look()
            with self.changing() as effects:
                self._apply(found, effects)

    def close(self) -> None:
        """Gives up what is being loaded, and removes from the model what nobody holds."""
        with self.changing() as effects:
            self.is_closed = True
            for waiter in self.loads.give_up():
                effects.append(partial(waiter.fail, _closed()))
            for resident in self.shelf.residents:
                self.shelf.unload(resident)

    def _serve(self, name: str, waiter: Waiter, effects: Effects) -> None:
        """Gives a lease or an error, or sees to it that one comes."""
        entry = self.entries.get(name) if isinstance(name, str) else None
        if self.is_closed:
            effects.append(partial(waiter.fail, _closed()))
            return
        if entry is None:
            known = list(self.entries)  # looking for similar names takes its time
            effects.append(lambda: waiter.fail(unknown_task(name, known)))
            return
        digest = self.answering(entry) if waiter.digest is None else waiter.digest
        if digest is None:
            effects.append(partial(waiter.fail, _error_of(entry)))
            return
        resident = self.shelf.find(key_of(digest))
        if resident is not None:
            self._give(entry, resident, waiter, effects)
            return
        failure = self.loads.failure(entry, digest)
        if failure is not None:
            effects.append(partial(waiter.fail, failure.error))
            return
        self._count_miss(waiter)
        self._fly(entry, digest, effects).waiters.append(waiter)

    def _give(self, entry: Entry, resident: Resident, waiter: Waiter, effects: Effects) -> None:
        if not waiter.is_counted:
            waiter.is_counted = True
            self.n_hits += 1
            entry.n_hits += 1
        if waiter.is_there():
            effects.append(partial(waiter.give, self.shelf.lease(resident)))
        if waiter.digest is None and resident.digest != entry.target:
            self._see_to_target(entry, effects)

    def _see_to_target(self, entry: Entry, effects: Effects) -> None:
        """Loads what shall answer beside what does, unless it was tried a moment ago."""
        target = entry.target
        if target is None or self.loads.is_waiting_to_retry(entry, target):
            return
        if self._is_resident(target):
            self.put_current(entry, target)
        else:
            self._fly(entry, target, effects)

    def _fly(self, entry: Entry, digest: str, effects: Effects) -> Flight:
        flight, is_new = self.loads.flight(entry, digest)
        if is_new:
            effects.append(partial(self._start, flight))
        return flight

    def _start(self, flight: Flight) -> None:
        try:
            self._executor.submit(self.loads.run, flight)
        except RuntimeError:  # it was shut down just now
            with self.changing() as effects:
                self.loads.end(flight)
                effects.extend(partial(waiter.fail, _closed()) for waiter in flight.waiters)

    def _arrived(self, arrival: Arrival) -> None:
        """A version is in the model."""
        flight, resident = arrival.flight, arrival.resident
        with self.changing() as effects:
            self.loads.end(flight)
            self.loads.count(arrival.seconds)
            self.shelf.add(resident)
            for waiter in flight.waiters:
                if waiter.is_there():
                    effects.append(partial(waiter.give, self.shelf.lease(resident)))
            entry = self.entries.get(flight.found.name)
            if entry is None or self.is_closed:
                self.shelf.unload(resident)
                return
            entry.n_loads += 1
            entry.failures.pop(resident.digest, None)
            is_asked = any(waiter.digest is None for waiter in flight.waiters)
            if resident.digest == entry.target or (is_asked and entry.current is None):
                self.put_current(entry, resident.digest)
            self.shelf.make_room()

    def _failed(self, flight: Flight, error: ArtifactError, seconds: float) -> None:
        """A version could not be loaded."""
        is_replaced = self.loads.is_replaced(flight, error)
        if is_replaced:
            self._look_if_there()
        with self.changing() as effects:
            self.loads.end(flight)
            entry = self.entries.get(flight.found.name)
            is_news = is_replaced and entry is not None and entry.on_disk != flight.digest
            if entry is not None and not is_news:
                self.loads.count_failure(entry, flight.digest, error, seconds)
            for waiter in flight.waiters:
                if waiter.digest is None:  # another version may answer
                    self._serve(flight.found.name, waiter, effects)
                else:
                    effects.append(partial(waiter.fail, error))

    def _take_back(self, lease: Lease) -> None:
        with self.lock:
            if lease.is_held:
                lease.is_held = False
                self.shelf.give_back(lease.task.key)

    def _count_miss(self, waiter: Waiter) -> None:
        if not waiter.is_counted:
            waiter.is_counted = True
            self.n_misses += 1

    def _look_if_there(self) -> None:
        try:
            self.look()
        except ArtifactError:
            return  # the folder is gone, and with it all news

    def _apply(self, found: Mapping[str, Found], effects: Effects) -> None:
        for name in self.entries.keys() - found.keys():
            del self.entries[name]
            for resident in self.shelf.residents.of(name):
                self.shelf.unload(resident)
        for name, one in found.items():
            entry = self.entries.get(name)
            if entry is None:
                entry = self.entries[name] = Entry(one)
                self._update(entry, effects)
            elif entry.found is not one:
                entry.found = one
                self._update(entry, effects)
            if entry.current not in {None, entry.target} and self._is_resident(entry.current):
                self._see_to_target(entry, effects)

    def _update(self, entry: Entry, effects: Effects) -> None:
        """Takes note of what lies in a task's folder now."""
        before, digest = entry.on_disk, entry.found.digest
        if digest and digest != before:
            entry.on_disk = digest
            entry.failures.clear()
            entry.notice = None
            if before is not None:
                effects.append(partial(self.archive.touch, entry.name, digest))
        elif before is not None:
            return
        choice = self.choices.of(entry.name)
        if choice is None:
            entry.target = entry.on_disk
            return
        is_news = entry.on_disk is not None and entry.on_disk not in choice.known
        if is_news or self.archive.place(entry.name, choice.version) is None:
            effects.append(partial(self.choices.drop, entry.name))
            entry.target = entry.on_disk
        else:
            entry.target = choice.version

    def _is_resident(self, digest: str | None) -> bool:
        return digest is not None and self.shelf.find(key_of(digest)) is not None

    def _is_pinned(self, resident: Resident) -> bool:
        entry = self.entries.get(resident.task.name)
        return entry is not None and entry.is_pinned and entry.current == resident.digest


def _error_of(entry: Entry) -> ArtifactError:
    error = entry.found.error
    return error or ArtifactError(f"the task {entry.name!r} has no version that can be loaded.")


def _closed() -> UnavailableError:
    return UnavailableError("the server is about to stop: no task is loaded any more.")
