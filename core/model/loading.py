"""Finding and loading what a model is made of: checkpoint folders, adapters, heads."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import torch

from polyhead.artifact import Manifest, read_tensors
from polyhead.contracts import Adapter, EncoderShape, Head, validate_config
from polyhead.encoder import find_checkpoint
from polyhead.errors import (
    ArtifactError,
    BackboneMismatchError,
    ConfigError,
    UnknownKindError,
)
from polyhead.registry import Provider, registry

if TYPE_CHECKING:
    from polyhead.artifact import BackboneInfo

__all__ = [
    "check_backbone",
    "find_checkpoint",
    "head_class_of",
    "load_adapter_module",
    "load_head_module",
]

PartT = TypeVar("PartT", Head, Adapter)


def check_backbone(manifest: Manifest, own: BackboneInfo, source: Path) -> None:
    """Refuses an artifact of another encoder.

    Raises:
        BackboneMismatchError: Its shape or fingerprint differs.
    """
    theirs = manifest.backbone
    if theirs.shape != own.shape:
        raise BackboneMismatchError(
            f"{source} was trained on {theirs.name!r} with {theirs.shape}; this model is "
            f"{own.name!r} with {own.shape}. Load it on a model made with "
            f"from_pretrained({theirs.name!r})."
        )
    if theirs.fingerprint != own.fingerprint:
        raise BackboneMismatchError(
            f"{source} was trained on {theirs.name!r} (fingerprint {theirs.fingerprint[:12]}); "
            f"this model is {own.name!r} ({own.fingerprint[:12]}), of the same shape and with "
            f"other weights. Load it on a model made with from_pretrained({theirs.name!r})."
        )


def load_head_module(
    manifest: Manifest, path: Path, shape: EncoderShape, dtype: torch.dtype
) -> Head:
    """The head that `path` holds, with weights of type `dtype`.

    Raises:
        ArtifactError: Its kind is not installed, or its config or tensors are not understood.
    """
    return _load(head_class_of, manifest, path, shape, dtype)


def load_adapter_module(
    manifest: Manifest, path: Path, shape: EncoderShape, dtype: torch.dtype
) -> Adapter:
    """The adapter that `path` holds, with weights of type `dtype`.

    Raises:
        ArtifactError: Its kind is not installed, or its config or tensors are not understood.
    """
    return _load(_adapter_class_of, manifest, path, shape, dtype)


def head_class_of(manifest: Manifest, path: Path) -> type[Head]:
    """The class of the head that `path` holds.

    Raises:
        ArtifactError: Its kind is not installed; the message says what to install.
    """
    try:
        return registry().head(manifest.kind)
    except UnknownKindError as error:
        raise _missing(manifest, path) from error


def _adapter_class_of(manifest: Manifest, path: Path) -> type[Adapter]:
    try:
        return registry().adapter(manifest.kind)
    except UnknownKindError as error:
        raise _missing(manifest, path) from error


def _load(
    class_of: Callable[[Manifest, Path], type[PartT]],
    manifest: Manifest,
    path: Path,
    shape: EncoderShape,
    dtype: torch.dtype,
) -> PartT:
    cls = class_of(manifest, path)
    try:
        what = f"{manifest.artifact} kind {manifest.kind!r}"
        config = validate_config(cls.Config, manifest.config, what)
    except ConfigError as error:
        raise ArtifactError(f"{_need(manifest, path)}: {error}{_other_version(manifest)}") from None
    return _build(lambda: cls(config, shape).to(dtype), manifest, path)


def _missing(manifest: Manifest, path: Path) -> ArtifactError:
    advice = registry().how_to_have(_provider(manifest))
    return ArtifactError(f"{_need(manifest, path)}: {advice}")


def _need(manifest: Manifest, path: Path) -> str:
    return f"{path} needs {_provider(manifest)} for its {manifest.artifact} kind {manifest.kind!r}"


def _other_version(manifest: Manifest) -> str:
    """For a message: that another version is installed than the one that wrote an artifact."""
    kinds = registry()
    find = kinds.provider_of_head if manifest.artifact == "head" else kinds.provider_of_adapter
    installed, wanted = find(manifest.kind), _provider(manifest)
    if installed == wanted:
        return ""
    remedy = f": {wanted.install_command}" if wanted.is_known else ""
    return f" That kind is installed from {installed}, and was saved with {wanted}{remedy}"


def _provider(manifest: Manifest) -> Provider:
    return Provider(manifest.provider.distribution, manifest.provider.version)


def _build(make: Callable[[], PartT], manifest: Manifest, path: Path) -> PartT:
    """The module with the file's weights; sizes are compared before memory is taken."""
    try:
        with torch.device("meta"), torch.random.fork_rng(devices=[]):
            expected = make().state_dict()
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ArtifactError(
            f"{path}: its config cannot be built into a {manifest.artifact} of kind "
            f"{manifest.kind!r}: {reason}"
        ) from error
    tensors = read_tensors(path, expected)
    with torch.random.fork_rng(devices=[]):  # fresh weights are drawn only to be replaced
        module = make()
    module.load_state_dict(tensors)
    return module
