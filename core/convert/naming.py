"""Names found in foreign files: what may become a name of ours, and what may become a path."""

from __future__ import annotations

from pathlib import Path

from polyhead.errors import ArtifactError, InvalidNameError, shown
from polyhead.names import check_name, is_name

__all__ = ["chosen_name", "subfolder"]


def chosen_name(given: str | None, found: object, what: str, source: Path) -> str:
    """What an imported adapter or head is called.

    Args:
        given: What the user asked for, or None.
        found: What the file calls it.
        what: "adapter" or "head".
        source: The file, for the message.

    Raises:
        InvalidNameError: The name cannot be one of ours.
    """
    if given is not None:
        return check_name(given, what)
    if not is_name(found):
        raise InvalidNameError(
            f"{source} calls its {what} {shown(found)}, which cannot be a name here: give one of "
            "letters, digits, '_' and '-' with --name, or name=... in Python."
        )
    return found


def subfolder(folder: Path, name: object) -> Path:
    """The folder right inside `folder` that a file in it names.

    Raises:
        ArtifactError: The name leads elsewhere, or there is no such folder.
    """
    is_plain = (
        isinstance(name, str)
        and 0 < len(name) <= 255  # noqa: PLR2004 - the longest file name that systems take
        and name not in {".", ".."}
        and not any(letter in name for letter in "/\\\0:")
    )
    if not is_plain:
        raise ArtifactError(f"{folder} names {shown(name)}, which is not a folder inside it.")
    found = folder / str(name)
    if not found.is_dir():
        raise ArtifactError(f"{folder} names the folder {shown(name)} and does not hold it.")
    return found
