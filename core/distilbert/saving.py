"""Checkpoints as transformers reads them."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

import safetensors.torch
import torch
from torch import Tensor

from polyhead.artifact import write_file
from polyhead.errors import ConfigError, shown

__all__ = ["bytes_of", "write_checkpoint"]

_UNITS: Final = {
    "": 1,
    "B": 1,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "KIB": 2**10,
    "MIB": 2**20,
    "GIB": 2**30,
}
_SIZE: Final = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*")
_WEIGHT_FILE: Final = re.compile(
    r"(model|pytorch_model)(-\d+-of-\d+)?\.(safetensors|bin)(\.index\.json)?"
)


def bytes_of(size: str | int) -> int:
    """The number of bytes that a size such as "5GB" or "200MiB" stands for.

    Raises:
        ConfigError: It is not of that form, or 0.
    """
    match = _SIZE.fullmatch(str(size))
    unit = None if match is None else _UNITS.get(match[2].upper())
    number = 0 if match is None or unit is None else int(float(match[1]) * unit)
    if number < 1:
        raise ConfigError(
            f"{shown(size)} is no size; give a number of bytes, or one such as '5GB' or '200MB'."
        )
    return number


def write_checkpoint(
    folder: Path, weights: Mapping[str, Tensor], *, is_safe: bool, most_bytes: int
) -> None:
    """Writes weights in one file, or in several with an index; those of other checkpoints go.

    Args:
        folder: Where to; made if it is missing.
        weights: By their names.
        is_safe: Whether as safetensors, and not as pickled tensors.
        most_bytes: Most bytes of one file; a larger weight is a file of its own.

    Raises:
        WriteError: A file could not be written; it is as before, and so are those after it.
    """
    stem, suffix = ("model", "safetensors") if is_safe else ("pytorch_model", "bin")
    shards = list(_shards(weights, most_bytes))
    if len(shards) == 1:
        files = {f"{stem}.{suffix}": shards[0]}
    else:
        files = {
            f"{stem}-{number:05}-of-{len(shards):05}.{suffix}": shard
            for number, shard in enumerate(shards, start=1)
        }
    for name, shard in files.items():
        write_file(folder / name, _content(shard, is_safe=is_safe))
    written = set(files)
    if len(shards) > 1:
        index = {
            "metadata": {"total_size": sum(weight.nbytes for weight in weights.values())},
            "weight_map": {weight: name for name, shard in files.items() for weight in shard},
        }
        written.add(f"{stem}.{suffix}.index.json")
        text = json.dumps(index, indent=2, sort_keys=True) + "\n"
        write_file(folder / f"{stem}.{suffix}.index.json", text.encode())
    for path in folder.iterdir():  # a reader would take an older one for this checkpoint's
        if _WEIGHT_FILE.fullmatch(path.name) and path.name not in written:
            with suppress(OSError):
                path.unlink()


def _shards(weights: Mapping[str, Tensor], most_bytes: int) -> Iterator[dict[str, Tensor]]:
    shard: dict[str, Tensor] = {}
    n_bytes = 0
    for name, weight in weights.items():
        if shard and n_bytes + weight.nbytes > most_bytes:
            yield shard
            shard, n_bytes = {}, 0
        shard[name] = weight
        n_bytes += weight.nbytes
    yield shard


def _content(weights: Mapping[str, Tensor], *, is_safe: bool) -> bytes:
    # copies: views into one matrix, such as Q of Q, K and V, would be refused or saved whole
    dense = {name: weight.detach().cpu().clone().contiguous() for name, weight in weights.items()}
    if is_safe:
        return safetensors.torch.save(dense, metadata={"format": "pt"})
    buffer = io.BytesIO()
    torch.save(dense, buffer)
    return buffer.getvalue()
