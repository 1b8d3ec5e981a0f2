"""What a plugin prints while it is loaded goes to standard error.

Standard output belongs to the answers: one line of a plugin would make JSON unreadable.
"""

from __future__ import annotations

import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO, cast

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["prints_aside"]


@contextmanager
def prints_aside() -> Iterator[None]:
    """While the block runs, what this thread prints goes to standard error; other threads' not."""
    own: TextIO | None = sys.stdout
    if own is None:  # a process without a console
        yield
        return
    aside = _Aside(own)
    sys.stdout = stand_in = cast("TextIO", aside)
    try:
        yield
    finally:
        aside.end()
        if sys.stdout is stand_in:  # else the plugin has put a stream of its own there, around ours
            sys.stdout = own


class _Aside:
    """Stands for standard output, also for those who keep it longer than they should."""

    def __init__(self, own: TextIO) -> None:
        self._own = own
        self._thread: int | None = threading.get_ident()

    def end(self) -> None:
        """From now on everything goes where it would have gone."""
        self._thread = None

    def write(self, text: str) -> int:
        """As of the stream that this stands for."""
        return self._target().write(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """As of the stream that this stands for."""
        self._target().writelines(lines)

    def _target(self) -> TextIO:
        is_aside = threading.get_ident() == self._thread and sys.stderr is not None
        return sys.stderr if is_aside else self._own

    def __getattr__(self, name: str) -> Any:
        return getattr(self._own, name)
