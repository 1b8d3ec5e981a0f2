"""The formats there are, and which of them a folder is in."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from polyhead.convert.adapterhub import ADAPTERHUB
from polyhead.convert.format import Format
from polyhead.convert.own_folders import POLYHEAD
from polyhead.convert.peft import PEFT
from polyhead.convert.transformers import TRANSFORMERS
from polyhead.errors import ArtifactError, ConversionError, listing, shown

__all__ = ["FORMATS", "format_called", "format_of"]

FORMATS: Final[Mapping[str, Format]] = {
    each.name: each for each in (POLYHEAD, ADAPTERHUB, PEFT, TRANSFORMERS)
}
"""All by name, in the order in which a folder is compared with them."""


def format_called(name: str) -> Format:
    """The format of that name.

    Raises:
        ConversionError: There is none.
    """
    found = FORMATS.get(name)
    if found is None:
        raise ConversionError(f"no format {shown(name)}; there are: {listing(list(FORMATS))}.")
    return found


def format_of(folder: Path, name: str | None = None) -> Format:
    """The format that a folder is in.

    Args:
        folder: It.
        name: What the user says that it is; found by looking when None.

    Raises:
        ArtifactError: There is no such folder, or it is in none of them, or in several.
        ConversionError: There is no format of that name.
    """
    given = None if name is None else format_called(name)
    if not folder.is_dir():
        raise ArtifactError(f"{folder} is not a folder.")
    if given is not None:
        return given
    found = [each for each in FORMATS.values() if each.recognises(folder)]
    if not found:
        known = ", ".join(each.what for each in FORMATS.values())
        raise ArtifactError(f"{folder} is none of these: {known}.")
    if len(found) > 1:
        names = listing([each.name for each in found])
        raise ArtifactError(
            f"{folder} may be in any of the formats {names}; say which with --from, or "
            "source_format=... in Python."
        )
    return found[0]
