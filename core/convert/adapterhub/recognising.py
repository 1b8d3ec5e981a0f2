"""Whether a folder is one of the `adapters` library."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Final

from polyhead.convert.adapterhub.files import ADAPTER, FUSION, HEAD, SETUP_FILE
from polyhead.convert.json_files import read_json
from polyhead.errors import ArtifactError

__all__ = ["is_adapterhub"]

_MOST_LOOKED_AT: Final = 1_000


def is_adapterhub(folder: Path) -> bool:
    """Whether it holds an adapter, a head, a fusion or a setup of that library, or folders of such.

    PEFT calls its config of an adapter the same; that one has a `peft_type`.
    """
    if _has_one(folder):
        return True
    try:
        return any(
            place.is_dir() and _has_one(place)
            for place in islice(folder.iterdir(), _MOST_LOOKED_AT)
        )
    except OSError:
        return False


def _has_one(folder: Path) -> bool:
    try:
        if any((folder / name).is_file() for name in (SETUP_FILE, HEAD.config, FUSION.config)):
            return True
        config = folder / ADAPTER.config
        return config.is_file() and "peft_type" not in read_json(config)
    except (OSError, ArtifactError):
        return False
