"""Reading the weights of a checkpoint folder, as they are named there."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import torch
from safetensors.torch import load_file
from torch import Tensor

from polyhead.errors import CheckpointError

__all__ = ["INDEX_FILES", "WEIGHT_FILES", "read_weights", "shards_of"]

WEIGHT_FILES: Final = ("model.safetensors", "pytorch_model.bin")
"""Whole checkpoints, the preferred one first."""

INDEX_FILES: Final = ("model.safetensors.index.json", "pytorch_model.bin.index.json")
"""Lists of the parts of a checkpoint in several files, in the same order."""


def read_weights(folder: Path) -> dict[str, Tensor]:
    """The tensors of the checkpoint in `folder`, safetensors preferred over `.bin`.

    A `.bin` file is read by torch's weights-only unpickler, which runs no code from it.

    Raises:
        CheckpointError: There is no weight file, or one is damaged.
    """
    for whole, index in zip(WEIGHT_FILES, INDEX_FILES, strict=True):
        if (folder / whole).is_file():
            return _read_files([folder / whole])
        if (folder / index).is_file():
            return _read_files(folder / shard for shard in shards_of(folder / index))
    raise CheckpointError(
        f"{folder} has no weights; a checkpoint folder holds {' or '.join(WEIGHT_FILES)}."
    )


def shards_of(index: Path) -> list[str]:
    """The names of the files that an index lists.

    Raises:
        CheckpointError: The index is damaged, or lists something other than a file beside it.
    """
    try:
        names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
    except (OSError, ValueError, KeyError, AttributeError, TypeError, RecursionError):
        raise CheckpointError(f"{index} is not an index of weight files.") from None
    odd = [name for name in names if not isinstance(name, str) or Path(name).name != name]
    if odd:
        raise CheckpointError(f"{index} lists {odd[0]!r}, which is not a file beside it.")
    return names


def _read_files(paths: Iterable[Path]) -> dict[str, Tensor]:
    weights: dict[str, Tensor] = {}
    for path in paths:
        weights.update(_read_file(path))
    return weights


def _read_file(path: Path) -> dict[str, Tensor]:
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # damaged bytes lead the readers to errors of any class
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(f"{path} cannot be read as weights: {reason}") from error
    if not isinstance(loaded, dict) or not all(
        isinstance(name, str) and isinstance(weight, Tensor) for name, weight in loaded.items()
    ):
        raise CheckpointError(f"{path} does not hold a dictionary of tensors.")
    return loaded
