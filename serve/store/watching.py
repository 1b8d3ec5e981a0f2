"""A thread that looks again and again."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable

from polyhead.errors import ConfigError, shown

__all__ = ["Watcher"]

_log = logging.getLogger("polyhead.serve.store")


class Watcher:
    """Calls a function in a thread of its own; what that raises is logged and ends nothing."""

    def __init__(self, look: Callable[[], object], interval_s: float) -> None:
        """Begins.

        Args:
            look: The function.
            interval_s: Seconds between two calls.

        Raises:
            ConfigError: That is not a positive number.
        """
        is_number = isinstance(interval_s, int | float) and not isinstance(interval_s, bool)
        if not is_number or not math.isfinite(interval_s) or interval_s <= 0:
            raise ConfigError(
                "a folder is looked at every so many seconds, such as 5.0, not "
                f"{shown(interval_s)}."
            )
        self._look = look
        self._interval_s = interval_s
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="polyhead-watch", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends it; a call that is under way is waited for."""
        self._end.set()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _run(self) -> None:
        problem = ""
        while not self._end.wait(self._interval_s):
            try:
                self._look()
                problem = ""
            except Exception as error:  # noqa: BLE001 - it is to look again, whatever it was
                if str(error) != problem:  # once, not every few seconds
                    problem = str(error)
                    _log.warning("the folder of tasks could not be looked at: %s", error)
