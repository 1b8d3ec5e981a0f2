"""Where something lies on the hub: a repository, and maybe a folder in it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, TypeGuard

from polyhead.errors import HubError, shown

__all__ = ["HUB_PREFIX", "Address", "is_hub_address", "parse_address"]

HUB_PREFIX: Final = "hub:"
"""Where a path or an address may stand, what starts with this is an address."""
_PART = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9_])?")
_LONGEST_ID: Final = 96
_MOST_FOLDERS: Final = 4
_OTHER_KINDS: Final = {"datasets", "spaces"}


@dataclass(frozen=True)
class Address:
    """A place on the hub.

    Attributes:
        repo_id: The repository, as "owner/name".
        subfolder: A folder in it, with slashes where it is a deeper one; "" for the repository
            itself.
    """

    repo_id: str
    subfolder: str = ""

    def __str__(self) -> str:
        return self.within("").rstrip("/")

    @property
    def name(self) -> str:
        """The last part of it: what a copy on disk is called."""
        return str(self).rpartition("/")[2]

    def path(self, name: str) -> str:
        """The path in the repository of the file of that name."""
        return f"{self.subfolder}/{name}" if self.subfolder else name

    def within(self, name: str) -> str:
        """The address as users write it, of a folder in this one."""
        return f"{self.repo_id}/{self.path(name)}"


def is_hub_address(place: object) -> TypeGuard[str]:
    """Whether `place` is an address where a path could stand too: "hub:owner/name"."""
    return isinstance(place, str) and place.startswith(HUB_PREFIX)


def parse_address(text: str, subfolder: str | None = None) -> Address:
    """The address that `text` is.

    Args:
        text: As "owner/name" or "owner/name/folder", with or without "hub:" in front.
        subfolder: The folder, where it is not in `text`.

    Raises:
        HubError: It cannot be one.
    """
    given = str(text).removeprefix(HUB_PREFIX)
    parts = given.split("/")
    if "://" in given:
        raise HubError(f"{shown(given)} is a link; give the repository as 'owner/name'.")
    if parts[0] in _OTHER_KINDS and len(parts) > 2:  # noqa: PLR2004 - kind, owner, name
        raise HubError(
            f"{shown(given)} names one of the hub's {parts[0]}; give a model repository."
        )
    folders = parts[2:] + (subfolder.split("/") if subfolder else [])
    repo_id = "/".join(parts[:2])
    if len(parts) < 2 or not _is_repo_id(repo_id):  # noqa: PLR2004 - owner and name
        raise HubError(
            f"{shown(given)} names no repository of the hub: write owner/name, each of letters, "
            f"digits, '.', '_' and '-', {_LONGEST_ID} characters at most in all."
        )
    if len(folders) > _MOST_FOLDERS or not all(map(_is_part, folders)):
        raise HubError(
            f"{shown('/'.join(folders))} names no folder of a repository: write at most "
            f"{_MOST_FOLDERS} names of letters, digits, '.', '_' and '-' with '/' between them."
        )
    return Address(repo_id, "/".join(folders))


def _is_repo_id(text: str) -> bool:
    parts = text.split("/")
    is_odd = len(text) > _LONGEST_ID or "--" in text or text.endswith(".git")
    return not is_odd and all(map(_is_part, parts))


def _is_part(text: str) -> bool:
    return _PART.fullmatch(text) is not None and ".." not in text
