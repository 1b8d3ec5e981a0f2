"""Small JSON files of unknown origin."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

from polyhead.errors import ArtifactError, ConversionError, listing, shown

__all__ = ["field", "no_others", "read_json"]

_MOST_BYTES: Final = 1 << 20
"""Far more than a config with the names of thousands of labels."""

T = TypeVar("T")


def read_json(path: Path) -> dict[str, Any]:
    """The object that the file holds.

    Raises:
        ArtifactError: There is no such file, it is too large, or it does not hold a JSON object.
    """
    if not os.path.isfile(path):  # noqa: PTH113 - Path.is_file raises for names that are too long
        raise ArtifactError(f"{path} is not a file.")
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
        if len(content) > _MOST_BYTES:
            raise ArtifactError(f"{path} is larger than {_MOST_BYTES:,} bytes, too much for JSON.")
        found = json.loads(
            content.decode("utf-8"), object_pairs_hook=_once, parse_constant=_no_number
        )
    except OSError as error:
        raise ArtifactError(f"{path} cannot be read: {error.strerror or error}.") from None
    except (ValueError, RecursionError) as error:
        if isinstance(error, ArtifactError):
            raise
        reason = str(error).splitlines()[0]
        raise ArtifactError(f"{path} is damaged or is not JSON: {reason}.") from None
    if not isinstance(found, dict):
        raise ArtifactError(f"{path} holds {type(found).__name__}, not a JSON object.")
    return found


def field(
    fields: Mapping[str, Any], name: str, wanted: type[T] | tuple[type[T], ...], source: Path
) -> T:
    """One field, of that type; a bool is no number here.

    Raises:
        ArtifactError: It is missing or of another type.
    """
    if name not in fields:
        raise ArtifactError(f"{source} lacks the field {name!r}.")
    value = fields[name]
    types = wanted if isinstance(wanted, tuple) else (wanted,)
    if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
        kinds = " or ".join(kind.__name__ for kind in types)
        raise ArtifactError(f"{source}: {name} is {shown(value)}, not of type {kinds}.")
    return value


def no_others(fields: Mapping[str, Any], known: Iterable[str], source: Path) -> None:
    """Refuses fields that are not known: what they ask for could not be kept.

    Raises:
        ConversionError: There are others; the message names them.
    """
    others = sorted(fields.keys() - set(known))
    if others:
        names = listing([name[:60] for name in others])
        raise ConversionError(f"{source} has settings that are not known here: {names}.")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise ValueError("a field is given twice")
    return fields


def _no_number(word: str) -> object:
    raise ValueError(f"{word} is not a number of JSON")
