"""The `.bin` files of torch.save, looked at before anything is unpickled.

Two layouts: an archive (zip, since torch 1.6), and a row of pickles with the numbers behind them.
"""

from __future__ import annotations

import io
import os
import struct
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Final

import torch
from torch import Tensor

from polyhead.convert.pickle_header import PickledTensor, Storage, next_pickle, tensors_of

__all__ = ["load_bin"]

_MOST_PICKLED: Final = 16 << 20
"""Bytes of the pickle alone, without the tensors' numbers."""

_MOST_ENTRIES: Final = 100_000
_ARCHIVE: Final = b"PK\x03\x04"
_END: Final = struct.Struct("<4s4H2LH")
"""The end of an archive: mark, numbers of disks and entries, size and place of its directory."""

_LONG_END: Final = struct.Struct("<4sQ2H2L4Q")
_LONG_END_PLACE: Final = struct.Struct("<4sLQL")
_MAGIC: Final = 0x1950A86A20F9469CFC6C
_PROTOCOL: Final = 1001
_COUNT_BYTES: Final = 8
_CHUNK: Final = 1 << 20


def load_bin(path: Path) -> dict[str, Tensor]:
    """The tensors in the file, on the CPU; only views of what the file itself holds.

    Raises:
        ValueError: It is damaged, or is not a dictionary of tensors.
    """
    with path.open("rb") as file:
        is_archive = file.read(len(_ARCHIVE)) == _ARCHIVE  # as torch tells them apart
        expected = dict(_of_archive(file) if is_archive else _of_row(file))
        file.seek(0)
        loaded = torch.load(file, map_location="cpu", weights_only=True)
    if not isinstance(loaded, dict) or loaded.keys() != expected.keys():
        raise ValueError("it holds other tensors than it says")
    for name, tensor in loaded.items():
        said = expected[name]
        if not isinstance(tensor, Tensor) or tuple(tensor.shape) != said.shape:
            raise ValueError(f"it holds another tensor {name[:100]!r} than it says")
    return {name: tensor.detach() for name, tensor in loaded.items()}


def _of_archive(file: IO[bytes]) -> Mapping[str, PickledTensor]:
    """The tensors that an archive's pickle tells of, each compared with what the archive holds."""
    size = file.seek(0, os.SEEK_END)
    _check_end(file, size)
    with zipfile.ZipFile(file) as archive:
        entries = archive.infolist()
        _check_entries(entries, size)
        sizes = {entry.filename: entry.file_size for entry in entries}
        pickles = [name for name in sizes if name.split("/", 1)[-1] == "data.pkl"]
        if len(pickles) != 1 or sizes[pickles[0]] > _MOST_PICKLED:
            raise ValueError("it does not hold one pickle of a usual size")
        root = pickles[0][: -len("data.pkl")]
        for entry in entries:  # to the end of each, where the checksum is compared
            with archive.open(entry) as content:
                while content.read(_CHUNK):
                    pass
        order = root + "byteorder"
        if order in sizes and archive.read(order) != sys.byteorder.encode():
            raise ValueError("it was written on a machine of another byte order")
        pickled = io.BytesIO(archive.read(pickles[0]))
    tensors = dict(tensors_of(next_pickle(pickled)))
    for tensor in tensors.values():
        storage = tensor.storage
        if sizes.get(f"{root}data/{storage.key}") != storage.n_bytes:
            raise ValueError(f"it lacks numbers of a tensor of shape {tensor.shape}")
    return tensors


def _check_end(file: IO[bytes], size: int) -> None:
    """Refuses an archive that two readers could read in two ways.

    torch and Python look for an archive's directory each in its own way. They agree on what
    torch.save writes: nothing comes in front of the first entry, or behind the end.
    """
    place = size - _END.size
    file.seek(max(place, 0))
    mark, *_, length, start, comment = _END.unpack(file.read(_END.size))
    if mark != b"PK\x05\x06" or comment:
        raise ValueError("its archive is cut off, or something follows it")
    file.seek(max(place - _LONG_END_PLACE.size, 0))
    long_mark, _, long_place, _ = _LONG_END_PLACE.unpack(file.read(_LONG_END_PLACE.size))
    if long_mark == b"PK\x06\x07":
        file.seek(long_place)
        mark, *_, length, start = _LONG_END.unpack(file.read(_LONG_END.size))
        place = long_place
        if mark != b"PK\x06\x06":
            raise ValueError("its archive has no directory where it should")
    if start + length != place:
        raise ValueError("its archive has no directory where it should")


def _check_entries(entries: list[zipfile.ZipInfo], size: int) -> None:
    """Refuses an archive that would grow: torch.save neither compresses nor repeats anything."""
    if len(entries) > _MOST_ENTRIES or len({entry.filename for entry in entries}) < len(entries):
        raise ValueError("its archive holds an entry twice, or too many")
    for entry in entries:
        if entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size:
            raise ValueError(
                f"its archive holds {entry.file_size:,} bytes packed into {entry.compress_size:,}, "
                "which torch.save never writes"
            )
        if entry.flag_bits & 1:
            raise ValueError("its archive is encrypted")
    if sum(entry.file_size for entry in entries) > size:
        raise ValueError("its archive holds more bytes than the file has")


def _of_row(file: IO[bytes]) -> Mapping[str, PickledTensor]:
    """The tensors that a row of pickles tells of, compared with the bytes that follow."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    bounded = io.BytesIO(file.read(min(size, _MOST_PICKLED)))
    if next_pickle(bounded) != _MAGIC or next_pickle(bounded) != _PROTOCOL:
        raise ValueError("it was not written by torch.save")
    system = next_pickle(bounded)
    is_little = isinstance(system, dict) and system.get("little_endian")
    if is_little is not (sys.byteorder == "little"):
        raise ValueError("it was written on a machine of another byte order")
    tensors = dict(tensors_of(next_pickle(bounded)))
    keys = next_pickle(bounded)
    storages = {tensor.storage.key: tensor.storage for tensor in tensors.values()}
    if not isinstance(keys, list) or sorted(map(str, keys)) != sorted(storages):
        raise ValueError("it lists other tensors than it holds")
    if any(tensor.storage != storages[tensor.storage.key] for tensor in tensors.values()):
        raise ValueError("it holds one tensor's numbers in two sizes")
    _check_numbers(bounded, size, [storages[str(key)] for key in keys], file)
    return tensors


def _check_numbers(read: IO[bytes], size: int, storages: list[Storage], file: IO[bytes]) -> None:
    """Compares each count in front of a storage's numbers with what the pickle says."""
    place = read.tell()
    for storage in storages:
        file.seek(place)
        count = int.from_bytes(file.read(_COUNT_BYTES), sys.byteorder)
        if count != storage.n_elements:
            raise ValueError("it lacks numbers of a tensor")
        place += _COUNT_BYTES + storage.n_bytes
    if place != size:
        raise ValueError("it is cut off, or something follows its tensors")
