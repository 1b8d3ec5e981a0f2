"""What became of each plugin."""

from __future__ import annotations

import textwrap
import traceback
from dataclasses import dataclass, field
from typing import Final

__all__ = ["PluginRecord", "Provider"]

_LONGEST_FAILURE: Final = 300


@dataclass(frozen=True, order=True)
class Provider:
    """The distribution that something came from."""

    distribution: str
    version: str

    def __str__(self) -> str:
        return f"{self.distribution} {self.version}"


@dataclass
class PluginRecord:
    """What became of one plugin.

    Attributes:
        name: Its entry point's name, or its module for a built-in.
        provider: The distribution that installed it.
        target: The object its entry point names.
        provides: Kinds, presets and backbones it registered: "head classification".
        import_s: Seconds its import took.
        failure: What went wrong, in one line, or None.
        traceback: All lines of it, or None.
    """

    name: str
    provider: Provider
    target: str
    provides: list[str] = field(default_factory=list)
    import_s: float = 0.0
    failure: str | None = None
    traceback: str | None = None

    def fail(self, error: BaseException) -> None:
        """Keeps the first thing that went wrong."""
        if self.failure is None:
            # one line whatever it says, for it is quoted in other messages
            message = textwrap.shorten(str(error), _LONGEST_FAILURE)
            self.failure = f"{type(error).__name__}: {message}".removesuffix(": ")
            self.traceback = "".join(traceback.format_exception(error))
