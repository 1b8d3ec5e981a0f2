"""What became of each plugin."""

from __future__ import annotations

import re
import textwrap
import traceback
from dataclasses import dataclass, field
from typing import Final, Literal

__all__ = [
    "NAMELESS",
    "PluginRecord",
    "PluginStatus",
    "Provider",
    "canonical_name",
    "text_of",
]

NAMELESS: Final = "unknown"
"""What stands for a name or version that cannot be read."""

PluginStatus = Literal["ok", "conflict", "failed", "disabled"]

_LONGEST_FAILURE: Final = 300
# what pip takes for a name and a version: anything else could be a command of a stranger's file
_INSTALLABLE = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?==[A-Za-z0-9][A-Za-z0-9.!+_-]*")


def canonical_name(name: str) -> str:
    """A name as package indexes compare it: upper case and the separators do not count."""
    return re.sub(r"[-_.]+", "-", name).lower()


@dataclass(frozen=True, order=True)
class Provider:
    """The distribution that something came from."""

    distribution: str
    version: str

    def __str__(self) -> str:
        return f"{self.distribution} {self.version}"

    @property
    def is_named(self) -> bool:
        """Whether its metadata could be read."""
        return self.distribution != NAMELESS

    @property
    def is_known(self) -> bool:
        """Whether name and version can stand in a command that installs it."""
        return self.is_named and _INSTALLABLE.fullmatch(self._pin) is not None

    @property
    def install_command(self) -> str:
        """What to type to have exactly this version."""
        return f"pip install '{self._pin}'"

    @property
    def key(self) -> str:
        """The distribution's name as package indexes compare it."""
        return canonical_name(self.distribution)

    @property
    def _pin(self) -> str:
        return f"{self.distribution}=={self.version}"


@dataclass
class PluginRecord:
    """What became of one plugin.

    Attributes:
        name: Its entry point's name, or its module for a built-in.
        provider: The distribution that installed it.
        target: The object its entry point names.
        is_builtin: Whether it came with polyhead itself.
        provides: What it registered and listens to: "head classification", "observer train_event".
        conflicts: What it registered that another plugin claims too, and who that is.
        import_s: Seconds that its import took, with what its registration hooks import.
        failure: What went wrong, in one line, or None.
        traceback: All lines of it, or None.
        disabled: What switched it off, or None.
    """

    name: str
    provider: Provider
    target: str
    is_builtin: bool = False
    provides: list[str] = field(default_factory=list)
    conflicts: list[str] = field(default_factory=list)
    import_s: float = 0.0
    failure: str | None = None
    traceback: str | None = None
    disabled: str | None = None

    def __str__(self) -> str:
        return f"{self.provider} ({self.name})"

    @property
    def status(self) -> PluginStatus:
        """How it is, the worst first."""
        if self.failure is not None:
            return "failed"
        if self.disabled is not None:
            return "disabled"
        return "conflict" if self.conflicts else "ok"

    def fail(self, error: BaseException) -> None:
        """Keeps the first thing that went wrong."""
        if self.failure is None:
            # one line whatever it says, for it is quoted in other messages
            message = textwrap.shorten(text_of(error), _LONGEST_FAILURE)
            self.failure = f"{type(error).__name__}: {message}".removesuffix(": ")
            self.traceback = "".join(traceback.format_exception(error))


def text_of(error: BaseException) -> str:
    """What an exception says, whatever its class."""
    try:
        return str(error)
    except Exception as broken:  # noqa: BLE001 - a stranger's exception may fail even at this
        return f"its message cannot be shown ({type(broken).__name__})"
