"""Loads that are under way, and who waits for them."""

from __future__ import annotations

import copy
from concurrent.futures import Future
from dataclasses import dataclass, field

from polyhead.errors import PolyheadError
from polyhead.serve.store.catalogue import Found
from polyhead.serve.store.lease import Lease

__all__ = ["Flight", "Waiter"]


class Waiter:
    """Somebody who waits for a lease.

    Attributes:
        digest: Of the version that it must be; None for whichever answers for the task.
        future: Where the lease comes.
        is_counted: Whether it is in the statistics.
    """

    def __init__(self, digest: str | None = None) -> None:
        """Waits from now on."""
        self.digest = digest
        self.future: Future[Lease] = Future()
        self.is_counted = False

    def is_there(self) -> bool:
        """Whether it still waits; from now on it cannot go, and must get a lease or an error."""
        return self.future.set_running_or_notify_cancel()

    def give(self, lease: Lease) -> None:
        """Ends its waiting."""
        self.future.set_result(lease)

    def fail(self, error: PolyheadError) -> None:
        """Ends its waiting, if it still does."""
        if self.is_there():
            # a copy, since every raise adds to the traceback of what it raises
            self.future.set_exception(copy.copy(error))


@dataclass(eq=False)
class Flight:
    """One load of one version.

    Attributes:
        found: The task's folder when it began.
        digest: Of the version.
        waiters: Those who get a lease when it is done.
    """

    found: Found
    digest: str
    waiters: list[Waiter] = field(default_factory=list)
