"""The tasks of one request, held from before they are asked until they have answered."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING

from polyhead.errors import ExpiredError, PolyheadError, UnknownTaskError

if TYPE_CHECKING:
    from polyhead.serve.served_task import ServedTask
    from polyhead.serve.store import Lease, TaskStore

__all__ = ["Leases"]


class Leases:
    """Leases of several tasks.

    Attributes:
        tasks: By name those that are there.
        failed: By name why others are not.
    """

    def __init__(self, store: TaskStore) -> None:
        self.tasks: dict[str, ServedTask] = {}
        self.failed: dict[str, PolyheadError] = {}
        self._store = store
        self._futures: list[Future[Lease]] = []

    async def take(self, names: Sequence[str], version: str | None, timeout_s: float) -> None:
        """Waits for the tasks, those that have to be loaded all at once.

        Args:
            names: Of the tasks.
            version: Which one of each; None for the current one.
            timeout_s: How long they may take; a task that takes longer is a failed one.

        Raises:
            UnknownTaskError: There is no such task or version.
        """
        for name in names:
            self._futures.append(self._store.acquire(name, version))
        for future in self._futures:  # before others are waited for
            if future.done() and isinstance(future.exception(), UnknownTaskError):
                future.result()
        waiting = [future for future in self._futures if not future.done()]
        if waiting:
            # never cancelled: others may wait for the same task to be loaded
            await asyncio.wait([_awaitable(each) for each in waiting], timeout=timeout_s)
        for name, future in zip(names, self._futures, strict=True):
            try:
                self.tasks[name] = _lease_of(future, name).task
            except UnknownTaskError:
                raise
            except PolyheadError as error:
                self.failed[name] = error

    def release(self) -> None:
        """Gives back every lease, also those that are still to come."""
        for future in self._futures:
            future.add_done_callback(_release)
        self._futures = []


def _awaitable(future: Future[Lease]) -> asyncio.Future[Lease]:
    awaitable = asyncio.wrap_future(future)
    awaitable.add_done_callback(_look_at)  # else asyncio complains of an error nobody looked at
    return awaitable


def _look_at(future: asyncio.Future[Lease]) -> None:
    if not future.cancelled():
        future.exception()


def _lease_of(future: Future[Lease], name: str) -> Lease:
    if not future.done():
        raise ExpiredError(f"the task {name!r} was not loaded in the time that was allowed.")
    return future.result()


def _release(future: Future[Lease]) -> None:
    if not future.cancelled() and future.exception() is None:
        future.result().release()
