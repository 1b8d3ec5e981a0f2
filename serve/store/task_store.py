"""The tasks of a folder, in the model while they are wanted."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from polyhead.errors import ArtifactError, WriteError
from polyhead.machine import limit_own_threads
from polyhead.serve.store.choices import Choice
from polyhead.serve.store.describing import Sight, record_of
from polyhead.serve.store.keeper import Keeper
from polyhead.serve.store.lease import Lease
from polyhead.serve.store.records import StoreStatistics, TaskRecord
from polyhead.serve.store.settings import StoreSettings
from polyhead.serve.store.versions import named, version_before
from polyhead.serve.store.watching import Watcher

if TYPE_CHECKING:
    from polyhead.model import DistilBertModelWithHeads

__all__ = ["TaskStore"]


class TaskStore:
    """Thousands of tasks on disk, of which some hundreds are in the model.

    A task is loaded when it is first asked for, leaves the model when others need the room and
    nobody uses it, and is replaced without a gap when its folder is. Names and versions that are
    asked for are looked up among those that were found; they never become paths.

    It is safe between threads.

    Attributes:
        folder: Where the tasks lie.
        settings: How much is kept.
    """

    def __init__(
        self,
        model: DistilBertModelWithHeads,
        folder: str | Path,
        settings: StoreSettings | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        executor: Executor | None = None,
    ) -> None:
        """Looks at the folder; nothing is loaded yet.

        Args:
            model: Tasks are loaded into it, beside what it has.
            folder: It holds folders of tasks, or is one.
            settings: How much is kept.
            clock: Tells seconds.
            executor: Runs the loads; threads of its own when None.

        Raises:
            ArtifactError: There is no such folder.
        """
        self.folder = Path(folder)
        self.settings = settings or StoreSettings()
        self._own_executor: Executor | None = None
        if executor is None:
            executor = self._own_executor = ThreadPoolExecutor(
                self.settings.n_loaders,
                thread_name_prefix="polyhead-load",
                initializer=limit_own_threads,
                initargs=(1,),
            )
        self._keeper = Keeper(model, self.folder, self.settings, executor, clock)
        self._watcher: Watcher | None = None

    def names(self) -> list[str]:
        """All tasks on disk and in memory, sorted; damaged ones too."""
        with self._keeper.lock:
            return sorted(self._keeper.entries)

    def describe(self, name: str) -> TaskRecord:
        """What is known of a task. It is not loaded for that.

        Raises:
            UnknownTaskError: There is none of that name.
        """
        keeper = self._keeper
        with keeper.changing():
            entry = keeper.entry(name)
            digest = keeper.answering(entry)
            sight = Sight(
                entry=entry,
                digest=digest,
                residents=tuple(keeper.shelf.residents.of(name)),
                is_loading=keeper.loads.is_loading(name),
                is_failing=digest is None or keeper.loads.failure(entry, digest) is not None,
                versions=tuple(keeper.versions(entry)),
            )
        return record_of(sight, keeper.archive)

    def acquire(self, name: str, version: str | None = None) -> Future[Lease]:
        """The right to use a task.

        It is there at once where the task is in memory, and else when it has been loaded. Many who
        ask for one task wait for one load. A task that could not be loaded is not tried again for
        a while, and is an error at once.

        Args:
            name: Of the task.
            version: One that it must be; None for the one that answers.

        Returns:
            The lease to come; or UnknownTaskError for a task or version that is not there,
            ArtifactError for one that cannot be loaded, UnavailableError after `close`.
        """
        return self._keeper.acquire(name, version)

    def statistics(self) -> StoreStatistics:
        """What the store holds and has done."""
        keeper = self._keeper
        with keeper.changing():
            return StoreStatistics(
                n_tasks=len(keeper.entries),
                n_resident=len(keeper.shelf.residents),
                n_bytes=keeper.shelf.residents.n_bytes,
                n_leases=keeper.shelf.residents.n_leases,
                n_loading=keeper.loads.n_loading,
                n_loads=keeper.loads.n_loads,
                n_failures=keeper.loads.n_failures,
                n_evictions=keeper.shelf.n_evictions,
                n_hits=keeper.n_hits,
                n_misses=keeper.n_misses,
                load_seconds=keeper.loads.seconds,
            )

    def load(self, name: str) -> TaskRecord:
        """Loads what lies in a task's folder now, also if it could not be loaded before.

        Raises:
            UnknownTaskError: There is none of that name.
            ArtifactError: It cannot be loaded, and no earlier version can answer in its place.
        """
        self._keeper.look()
        with self._keeper.lock:
            entry = self._keeper.entry(name)
            entry.failures.clear()
            target = entry.target
        try:
            if target is not None:
                self._keeper.acquire_digest(name, target).result().release()
        except ArtifactError:
            target = None
        if target is None:
            self.acquire(name).result().release()
        return self.describe(name)

    def unload(self, name: str) -> TaskRecord:
        """Takes a task out of memory as soon as nobody uses it; it is not pinned any more.

        The next one who asks for it has it loaded again.

        Raises:
            UnknownTaskError: There is none of that name.
        """
        with self._keeper.lock:
            self._keeper.entry(name).is_pinned = False
            for resident in self._keeper.shelf.residents.of(name):
                self._keeper.shelf.unload(resident)
        return self.describe(name)

    def pin(self, name: str, pinned: bool = True) -> TaskRecord:
        """Keeps a task in memory, from now on; or, with False, no longer.

        Raises:
            UnknownTaskError: There is none of that name.
            ArtifactError: It cannot be loaded; it is as it was.
        """
        lease = self.acquire(name).result() if pinned else None
        with self._keeper.lock:
            self._keeper.entry(name).is_pinned = pinned
            self._keeper.shelf.make_room()
        if lease is not None:
            lease.release()
        return self.describe(name)

    def rollback(self, name: str, version: str | None = None) -> TaskRecord:
        """Has another version answer, until a new one is published.

        Args:
            name: Of the task.
            version: Which; None for the one before that which answers.

        Raises:
            UnknownTaskError: There is no such task, or no such version of it.
            InputError: There is no version before.
            ArtifactError: It cannot be loaded; what answered goes on doing so.
        """
        keeper = self._keeper
        with keeper.lock:
            entry = keeper.entry(name)
            known = keeper.versions(entry)
            if version is None:
                digest = version_before(entry, known, keeper.archive)
            else:
                digest = named(version, known)
            entry.failures.pop(digest, None)
        with keeper.acquire_digest(name, digest).result(), keeper.looking:
            with keeper.lock:
                entry = keeper.entry(name)
                choice = Choice(version=digest, known=tuple(keeper.versions(entry)))
            notice = self._keep_choice(name, None if digest == entry.on_disk else choice)
            with keeper.lock:
                entry.target, entry.notice = digest, notice
                keeper.put_current(entry, digest)
        return self.describe(name)

    def refresh(self) -> None:
        """Looks at the folder again: new, replaced and deleted tasks are noticed.

        What could not be loaded may be tried again.

        Raises:
            ArtifactError: The folder is gone; what is in memory stays.
        """
        with self._keeper.lock:
            for entry in self._keeper.entries.values():
                entry.failures.clear()
        self._keeper.look()

    def watch(self, interval_s: float) -> None:
        """Looks at the folder every so many seconds, in a thread of its own.

        Raises:
            ConfigError: That is not a positive number.
        """
        watcher = Watcher(self._keeper.look, interval_s)
        with self._keeper.lock:
            before, self._watcher = self._watcher, watcher
        if before is not None:
            before.stop()

    def close(self) -> None:
        """Ends loading and watching, and empties the memory; what is leased leaves it later."""
        with self._keeper.lock:
            watcher, self._watcher = self._watcher, None
        if watcher is not None:
            watcher.stop()
        self._keeper.close()
        if self._own_executor is not None:
            self._own_executor.shutdown(wait=True, cancel_futures=True)

    def _keep_choice(self, name: str, choice: Choice | None) -> str | None:
        """Keeps a choice on disk, or forgets it; what is wrong with that, for an operator."""
        if choice is None:
            self._keeper.choices.drop(name)
            return None
        try:
            self._keeper.choices.set(name, choice)
        except WriteError as error:
            return str(error)
        return None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
