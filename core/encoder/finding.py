"""Where a checkpoint lies that was asked for by a name."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from polyhead.encoder.hub import (
    HubOptions,
    download_checkpoint,
    download_config,
    download_tokenizer,
)
from polyhead.registry import registry

__all__ = ["find_checkpoint", "find_config", "find_tokenizer"]

_OLD_OWNERS: Final = {"distilbert-": "distilbert", "bert-": "google-bert"}
"""Whose on the hub are checkpoints that older documents call by such a name, without an owner."""


def find_checkpoint(name: str | Path, options: HubOptions) -> Path:
    """The checkpoint folder that `name` stands for.

    Args:
        name: A folder, a named backbone such as "minilm", or a hub id.
        options: How to ask the hub.

    Raises:
        UnknownBackboneError: It is none of these.
        CheckpointError: It is one and its files are not to be had.
    """
    folder = _local_folder(name)
    return download_checkpoint(_hub_id(name), options) if folder is None else folder


def find_config(name: str | Path, options: HubOptions) -> Path:
    """The config.json of the checkpoint that `name` stands for, or `name` itself if it is a file.

    Args:
        name: A folder, a file, a named backbone or a hub id; of the last, nothing else is fetched.
        options: How to ask the hub.

    Raises:
        UnknownBackboneError: It is none of these.
        CheckpointError: It is one and the file is not to be had.
    """
    if os.path.isfile(name):  # noqa: PTH113 - Path.is_file raises for names that are too long
        return Path(name)
    folder = _local_folder(name)
    return download_config(_hub_id(name), options) if folder is None else folder / "config.json"


def find_tokenizer(name: str | Path, options: HubOptions) -> Path:
    """The folder with the tokenizer's files of the checkpoint that `name` stands for.

    Args:
        name: A folder, a named backbone or a hub id; of the last, no weights are fetched.
        options: How to ask the hub.

    Raises:
        UnknownBackboneError: It is none of these.
        CheckpointError: It is one and its files are not to be had.
    """
    folder = _local_folder(name)
    return download_tokenizer(_hub_id(name), options) if folder is None else folder


def _local_folder(name: str | Path) -> Path | None:
    """The folder of that name or of that named backbone, or None for a hub id.

    Raises:
        UnknownBackboneError: It is none of these.
    """
    text = str(name)
    if isinstance(name, str) and Path(text).name == text:
        # before a folder of that name, which "./name" reaches
        named = registry().backbone(text)
        if named is not None:
            return named.locate()
    if os.path.isdir(text):  # noqa: PTH112 - Path.is_dir raises for names that are too long
        return Path(text)
    if _may_be_hub_id(_hub_id(text)):
        return None
    raise registry().unknown_backbone(
        text, "Give one of these, a checkpoint folder, or a hub id such as 'owner/name'."
    )


def _hub_id(name: str | Path) -> str:
    """`name` with its owner, where it is one of the old names that had none."""
    text = str(name)
    owners = (owner for start, owner in _OLD_OWNERS.items() if text.startswith(start))
    owner = None if "/" in text else next(owners, None)
    return text if owner is None else f"{owner}/{text}"


def _may_be_hub_id(name: str) -> bool:
    """Whether `name` is of the form owner/name; bare names are left to named backbones."""
    parts = name.split("/")
    return len(parts) == 2 and all(parts) and not name.startswith((".", "~"))  # noqa: PLR2004
