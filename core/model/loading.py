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
from polyhead.registry import registry

if TYPE_CHECKING:
    from polyhead.artifact import BackboneInfo

__all__ = ["check_backbone", "find_checkpoint", "load_adapter_module", "load_head_module"]

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
    return _load(registry().head, manifest, path, shape, dtype)


def load_adapter_module(
    manifest: Manifest, path: Path, shape: EncoderShape, dtype: torch.dtype
) -> Adapter:
    """The adapter that `path` holds, with weights of type `dtype`.

    Raises:
        ArtifactError: Its kind is not installed, or its config or tensors are not understood.
    """
    return _load(registry().adapter, manifest, path, shape, dtype)


def _load(
    class_of: Callable[[str], type[PartT]],
    manifest: Manifest,
    path: Path,
    shape: EncoderShape,
    dtype: torch.dtype,
) -> PartT:
    try:
        cls = class_of(manifest.kind)
        what = f"{manifest.artifact} kind {manifest.kind!r}"
        config = validate_config(cls.Config, manifest.config, what)
    except (UnknownKindError, ConfigError) as error:
        raise _not_understood(manifest, path, error) from None
    return _build(lambda: cls(config, shape).to(dtype), manifest, path)


def _not_understood(manifest: Manifest, path: Path, error: Exception) -> ArtifactError:
    provider = manifest.provider
    return ArtifactError(
        f"{path} needs {provider.distribution} {provider.version} for its {manifest.artifact} kind "
        f"{manifest.kind!r}: {error}"
    )


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
