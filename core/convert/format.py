"""What a format is to the rest: a way to know, to read and to write a folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from polyhead.convert.bundle import Bundle
    from polyhead.model import DistilBertModelWithHeads

__all__ = ["Format", "WeightFile"]

WeightFile = Literal["bin", "safetensors"]
"""The flavours of weight files."""


@dataclass(frozen=True)
class Format:
    """One library's folders.

    Attributes:
        name: As the command line calls it.
        what: What it is, for messages: "a folder of the adapters library".
        recognises: Whether a folder is one; looks at names of files and at small JSON files alone,
            and never raises.
        read: What a folder holds, for that model, which stays as it is. The last argument is what
            to call its adapter and its head in place of the name in the folder, or None.
        write: The files that hold a bundle, by their paths inside the folder; the bundle was made
            for that model. `weights` is the flavour asked for, or None for the usual one.
    """

    name: str
    what: str
    recognises: Callable[[Path], bool]
    read: Callable[[Path, DistilBertModelWithHeads, str | None], Bundle]
    write: Callable[[Bundle, DistilBertModelWithHeads, WeightFile | None], Mapping[str, bytes]]
