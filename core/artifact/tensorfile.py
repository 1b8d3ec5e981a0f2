"""One adapter or head in one safetensors file, its manifest in the file's metadata."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load, save

from polyhead.artifact.manifest import Manifest, parse
from polyhead.errors import ArtifactError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor, nn

__all__ = ["manifest_in", "read_manifest", "read_tensors", "tensor_file", "tensors_in"]

_METADATA_KEY: Final = "polyhead"
_SHOWN_NAMES: Final = 3


def tensor_file(module: nn.Module, manifest: Manifest) -> bytes:
    """The content of the file for `module`.

    Raises:
        ArtifactError: A weight is not finite: saved, it could not be loaded again.
    """
    tensors = {
        name: weight.detach().cpu().contiguous() for name, weight in module.state_dict().items()
    }
    _check_finite(tensors, f"{manifest.artifact} {manifest.name!r}")
    return save(tensors, metadata={_METADATA_KEY: manifest.model_dump_json()})


def read_manifest(path: Path) -> Manifest:
    """The manifest of an adapter's or head's file; no tensor is read.

    Raises:
        ArtifactError: The file is missing or damaged, or was not written by polyhead.
        NewerFormatError: It was written in a later version of the format.
    """
    with _opened(path) as file:
        metadata = file.metadata() or {}
    return _manifest(metadata, path)


def manifest_in(content: bytes, path: Path) -> Manifest:
    """The manifest of an adapter's or head's file that was read whole.

    Args:
        content: Of the file.
        path: Of the file, for messages.

    Raises:
        ArtifactError: It is damaged, or was not written by polyhead.
        NewerFormatError: It was written in a later version of the format.
    """
    try:
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        metadata = header.get("__metadata__") or {}
        if not isinstance(metadata, dict):
            raise TypeError("its metadata is no object")  # noqa: TRY301 - reported as damage below
    except (ValueError, AttributeError, TypeError, RecursionError) as error:
        raise _damaged(path, error) from None
    return _manifest(metadata, path)


def _manifest(metadata: Mapping[str, str], path: Path) -> Manifest:
    if _METADATA_KEY not in metadata:
        raise ArtifactError(
            f"{path} was not written by polyhead: it has no manifest; what other libraries saved "
            "is read by load_foreign(model, folder) and by `polyhead convert`."
        )
    return parse(metadata[_METADATA_KEY], Manifest, path)


def read_tensors(path: Path, expected: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The file's tensors, once its header shows that they are the expected ones.

    Args:
        path: The file.
        expected: For each tensor its name and, by a tensor that may lie on the meta device, its
            shape and the type it is wanted in.

    Raises:
        ArtifactError: A tensor is missing, unexpected, of another shape or not finite.
    """
    with _opened(path) as file:
        shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
        _check_shapes(shapes, expected, path)
        # a copy: the file may be replaced while the model lives
        return _wanted(file.get_tensor, expected, path, copy=True)


def tensors_in(content: bytes, expected: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
    """The tensors of a file that was read whole, once its header shows that they are the expected.

    Args:
        content: Of the file.
        expected: As in `read_tensors`.
        path: Of the file, for messages.

    Raises:
        ArtifactError: The file is damaged; or as in `read_tensors`.
    """
    try:
        found = load(content)
    except (SafetensorError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise _damaged(path, error) from None
    _check_shapes({name: tuple(tensor.shape) for name, tensor in found.items()}, expected, path)
    return _wanted(found.__getitem__, expected, path, copy=False)


def _wanted(
    tensor_of: Callable[[str], Tensor], expected: Mapping[str, Tensor], path: Path, *, copy: bool
) -> dict[str, Tensor]:
    tensors = {}
    for name, like in expected.items():
        tensor = tensor_of(name)
        if tensor.is_floating_point() != like.is_floating_point():
            raise ArtifactError(f"{path}: {name} is of type {tensor.dtype}.")
        tensors[name] = tensor.to(like.dtype, copy=copy)
    _check_finite(tensors, str(path))
    return tensors


def _check_shapes(
    found: Mapping[str, tuple[int, ...]], expected: Mapping[str, Tensor], path: Path
) -> None:
    _check_names(found, expected, path)
    for name, tensor in expected.items():
        if found[name] != tuple(tensor.shape):
            raise ArtifactError(
                f"{path}: {name} has the shape {found[name]}; its manifest makes it "
                f"{tuple(tensor.shape)}."
            )


def _check_names(found: Mapping[str, object], expected: Mapping[str, object], path: Path) -> None:
    for problem, names in (
        ("lacks", sorted(expected.keys() - found.keys())),
        ("has unexpected", sorted(found.keys() - expected.keys())),
    ):
        if names:
            shown = ", ".join(names[:_SHOWN_NAMES]) + (", ..." if len(names) > _SHOWN_NAMES else "")
            raise ArtifactError(f"{path} {problem} tensors: {shown}.")


def _check_finite(tensors: Mapping[str, Tensor], source: str) -> None:
    for name, tensor in tensors.items():
        # a sum of finite numbers may overflow, so only a finite one has the last word
        if not tensor.is_floating_point() or math.isfinite(tensor.sum().item()):
            continue
        if not torch.isfinite(tensor).all():
            raise ArtifactError(
                f"{source}: {name} holds values that are not finite (NaN or infinity)."
            )


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    if not os.path.isfile(path):  # noqa: PTH113 - Path.is_file raises for names that are too long
        raise ArtifactError(f"{path} is not a file.")
    try:
        with safe_open(path, framework="pt") as file:
            yield file
    except SafetensorError as error:
        raise _damaged(path, error) from None
    except OSError as error:
        raise ArtifactError(f"{path} cannot be read: {error.strerror or error}.") from None


def _damaged(path: Path, error: Exception) -> ArtifactError:
    return ArtifactError(f"{path} is damaged or is not a safetensors file: {error}.")
