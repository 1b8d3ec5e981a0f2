"""Which tasks were rolled back, and to what; kept on disk, so that a restart keeps to it."""

from __future__ import annotations

import logging
from typing import Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from polyhead.artifact import write_file
from polyhead.errors import WriteError
from polyhead.serve.store.archive import Archive

__all__ = ["Choice", "Choices"]

_FILE: Final = "chosen.json"

_log = logging.getLogger("polyhead.serve.store")


class Choice(BaseModel):
    """A task that was rolled back."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: str = Field(pattern="^[0-9a-f]{64}$", description="The digest that was chosen.")
    known: tuple[str, ...] = Field(
        description="The digests that there were then: another one is news, and ends the choice."
    )


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    format: int = Field(default=1, ge=1, le=1)
    chosen: dict[str, Choice] = Field(default_factory=dict)


class Choices:
    """The choices by the names of the tasks."""

    def __init__(self, archive: Archive) -> None:
        """Reads them; a file that is damaged is as good as none.

        Args:
            archive: Beside whose versions they are kept.
        """
        self._archive = archive
        self._path = archive.folder / _FILE
        self._by_name: dict[str, Choice] = self._read() if archive.is_read else {}

    def of(self, name: str) -> Choice | None:
        """The choice for a task; None where there is none."""
        return self._by_name.get(name)

    def set(self, name: str, choice: Choice) -> None:
        """Keeps a choice.

        Raises:
            WriteError: It holds until a restart only.
        """
        self._by_name[name] = choice
        self._write(name, choice)

    def drop(self, name: str) -> None:
        """Forgets the choice for a task, if there is one."""
        if self._by_name.pop(name, None) is None:
            return
        try:
            self._write(name, None)
        except WriteError as error:
            _log.warning("a choice that has ended is still on disk: %s", error)

    def _read(self) -> dict[str, Choice]:
        try:
            return _File.model_validate_json(self._path.read_bytes()).chosen
        except FileNotFoundError:
            return {}
        except (OSError, ValidationError) as error:
            _log.warning("%s is not understood, so every task is as published: %s", _FILE, error)
            return {}

    def _write(self, name: str, choice: Choice | None) -> None:
        """Changes one choice on disk, and none that another process has made."""
        why_not = self._archive.why_not
        if why_not is not None:
            raise WriteError(f"the choice of a version holds until a restart: {why_not}.")
        chosen = self._read()
        chosen.pop(name, None)
        if choice is not None:
            chosen[name] = choice
        content = _File(chosen=chosen).model_dump_json(indent=2) + "\n"
        write_file(self._path, content.encode())
