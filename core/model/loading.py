"""Finding and loading what a model is made of: checkpoint folders, adapters, heads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import torch

from polyhead.artifact import Manifest, read_tensors, tensors_in
from polyhead.contracts import (
    Adapter,
    AdapterConfig,
    EncoderShape,
    Head,
    HeadConfig,
    validate_config,
)
from polyhead.encoder import find_checkpoint
from polyhead.encoder.unfilled import Unfilled
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
    "adapter_class_of",
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
    manifest: Manifest,
    path: Path,
    shape: EncoderShape,
    dtype: torch.dtype,
    content: bytes | None = None,
) -> Head:
    """The head that `path` holds, with weights of type `dtype`.

    Args:
        manifest: Of the file.
        path: Of the file.
        shape: Of the encoder.
        dtype: Of its weights.
        content: Of the file, where it was read already.

    Raises:
        ArtifactError: Its kind is not installed, or its config or tensors are not understood.
    """
    return _load(head_class_of(manifest, path), manifest, path, (shape, dtype), content)


def load_adapter_module(
    manifest: Manifest,
    path: Path,
    shape: EncoderShape,
    dtype: torch.dtype,
    content: bytes | None = None,
) -> Adapter:
    """The adapter that `path` holds, with weights of type `dtype`.

    Args:
        manifest: Of the file.
        path: Of the file.
        shape: Of the encoder.
        dtype: Of its weights.
        content: Of the file, where it was read already.

    Raises:
        ArtifactError: Its kind is not installed, or its config or tensors are not understood.
    """
    return _load(adapter_class_of(manifest, path), manifest, path, (shape, dtype), content)


def head_class_of(manifest: Manifest, path: Path) -> type[Head]:
    """The class of the head that `path` holds.

    Raises:
        ArtifactError: Its kind is not installed; the message says what to install.
    """
    try:
        return registry().head(manifest.kind)
    except UnknownKindError as error:
        raise _missing(manifest, path) from error


def adapter_class_of(manifest: Manifest, path: Path) -> type[Adapter]:
    """The class of the adapter that `path` holds.

    Raises:
        ArtifactError: Its kind is not installed; the message says what to install.
    """
    try:
        return registry().adapter(manifest.kind)
    except UnknownKindError as error:
        raise _missing(manifest, path) from error


def _load(
    cls: type[PartT],
    manifest: Manifest,
    path: Path,
    made_for: tuple[EncoderShape, torch.dtype],
    content: bytes | None,
) -> PartT:
    shape, dtype = made_for
    try:
        what = f"{manifest.artifact} kind {manifest.kind!r}"
        config = validate_config(cls.Config, manifest.config, what)
    except ConfigError as error:
        raise ArtifactError(f"{_need(manifest, path)}: {error}{_other_version(manifest)}") from None
    return _build(_Recipe(cls, config, shape, dtype), manifest, path, content)


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


@dataclass(frozen=True)
class _Recipe(Generic[PartT]):
    """What a module is made of, its weights apart."""

    cls: type[PartT]
    config: HeadConfig | AdapterConfig
    shape: EncoderShape
    dtype: torch.dtype

    def make(self) -> PartT:
        """A module with whatever lay in memory for weights; random numbers are left alone."""
        with torch.random.fork_rng(devices=[]):
            try:
                with Unfilled():
                    return self._made()
            except Exception:  # noqa: BLE001 - one that works with its first weights
                return self._made()

    def _made(self) -> PartT:
        module: PartT = self.cls(self.config, self.shape)  # type: ignore[arg-type]  # its own Config
        tensors = chain(module.parameters(), module.buffers())
        is_so = all(tensor.dtype == self.dtype for tensor in tensors)
        return module if is_so else module.to(self.dtype)


def _build(recipe: _Recipe[PartT], manifest: Manifest, path: Path, content: bytes | None) -> PartT:
    """The module with the file's weights; sizes are compared before memory is taken."""
    try:
        expected = _expected(recipe)
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ArtifactError(
            f"{path}: its config cannot be built into a {manifest.artifact} of kind "
            f"{manifest.kind!r}: {reason}"
        ) from error
    if content is None:
        tensors = read_tensors(path, expected)
    else:
        tensors = tensors_in(content, expected, path)
    module = recipe.make()
    module.load_state_dict(tensors)
    return module


def _expected(recipe: _Recipe[PartT]) -> Mapping[str, torch.Tensor]:
    """The tensors of such a module, on the meta device; kept, since many tasks are alike."""
    try:
        hash(recipe)
    except TypeError:  # a config with a dict in it
        return _expected_of.__wrapped__(recipe)
    return _expected_of(recipe)


@lru_cache(maxsize=256)
def _expected_of(recipe: _Recipe[Any]) -> Mapping[str, torch.Tensor]:
    with torch.device("meta"):
        weights = recipe.make().state_dict()
    return {name: weight.detach() for name, weight in weights.items()}
