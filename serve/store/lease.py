"""The right to find a version of a task where it is."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Self

from polyhead.serve.served_task import ServedTask

__all__ = ["Lease"]


class Lease:
    """While it is held, the version stays in memory, whatever happens to the task.

    Attributes:
        task: The version, as an engine is asked for it.
    """

    def __init__(
        self,
        task: ServedTask,
        release: Callable[[Lease], None],
        abandon: Callable[[ServedTask], None],
    ) -> None:
        """Is made by a store.

        Args:
            task: The version.
            release: Takes it back; called for each `release`.
            abandon: Takes note that nobody holds it any more. It is called by the garbage
                collector, at any time and in any thread, and so must not wait for a lock.
        """
        self.task = task
        self.is_held = True
        self._release = release
        self._abandon = abandon

    def release(self) -> None:
        """Gives the right back; a second time does nothing."""
        self._release(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.release()

    def __del__(self) -> None:
        # one who no longer waits for an answer may never have seen the lease that came with it
        if self.is_held:
            self.is_held = False
            self._abandon(self.task)
