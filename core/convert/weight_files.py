"""The weight files of other libraries, from unknown hands."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from polyhead.errors import ArtifactError, ConversionError

if TYPE_CHECKING:
    from polyhead.convert.format import WeightFile
    from polyhead.model import DistilBertModelWithHeads

__all__ = ["most_bytes", "read_weights", "weight_bytes"]

_MOST_TENSORS: Final = 100_000
_LONGEST_NAME: Final = 512
_SPARE: Final = 64 << 20


def most_bytes(model: DistilBertModelWithHeads) -> int:
    """The size from which on a weight file cannot be an adapter or a head of that model.

    Four times its encoder: fusions and low-rank changes of full rank stay below that.
    """
    own: int = sum(weight.nbytes for weight in model.encoder.state_dict().values())
    return 4 * own + _SPARE


def read_weights(path: Path, most: int) -> dict[str, Tensor]:
    """The tensors in a `.bin` or `.safetensors` file, on the CPU and as float32.

    Nothing in the file is run. Memory is bounded by the file's size, and that by `most`.

    Args:
        path: The file; its name tells which of the two it is.
        most: The most bytes that it may have, see `most_bytes`.

    Raises:
        ArtifactError: It is missing, damaged or too large, does not hold a dictionary of tensors,
            or one of them holds values that are not finite.
        ConversionError: A tensor holds whole numbers, or numbers that float32 cannot.
    """
    if not os.path.isfile(path):  # noqa: PTH113 - Path.is_file raises for names that are too long
        raise ArtifactError(f"{path} is not a file.")
    size = path.stat().st_size
    if size > most:
        raise ArtifactError(
            f"{path} has {size:,} bytes; nothing that fits this backbone has more than {most:,}."
        )
    try:
        tensors = _read_safetensors(path) if path.suffix == ".safetensors" else _read_bin(path)
    except Exception as error:  # damaged bytes lead the readers to errors of any class
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ArtifactError(
            f"{path} is damaged or is not a file of weights: {reason[:300].rstrip('.')}."
        ) from error
    if len(tensors) > _MOST_TENSORS or any(len(name) > _LONGEST_NAME for name in tensors):
        raise ArtifactError(f"{path} holds too many tensors, or such with names without end.")
    return {name: _as_float32(tensor, name, path) for name, tensor in tensors.items()}


def weight_bytes(tensors: Mapping[str, Tensor], flavour: WeightFile) -> bytes:
    """The content of a weight file as the other libraries write it."""
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    if flavour == "safetensors":
        # each a copy of its own: safetensors refuses tensors that share memory
        return save({name: tensor.clone() for name, tensor in plain.items()}, {"format": "pt"})
    content = io.BytesIO()
    torch.save(plain, content)
    return content.getvalue()


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    found: Any
    with safe_open(path, framework="pt") as found:
        # copies: the file may be replaced while the model lives
        return {name: found.get_tensor(name).clone() for name in found.keys()}  # noqa: SIM118


def _read_bin(path: Path) -> dict[str, Tensor]:
    from polyhead.convert.bin_file import load_bin  # noqa: PLC0415 - few files are of that kind

    return load_bin(path)


def _as_float32(tensor: Tensor, name: str, path: Path) -> Tensor:
    if not tensor.is_floating_point():
        raise ConversionError(
            f"{path}: {name} is of type {tensor.dtype}, not a floating-point one."
        )
    if not torch.isfinite(tensor).all():
        raise ArtifactError(f"{path}: {name} holds values that are not finite (NaN or infinity).")
    narrow = tensor.to(torch.float32)
    if tensor.dtype == torch.float64 and not torch.equal(narrow.double(), tensor):
        raise ConversionError(f"{path}: {name} is float64 and holds numbers that float32 cannot.")
    return narrow
