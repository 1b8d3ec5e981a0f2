"""Whether what is to be pushed will load where it is pulled."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from polyhead.artifact import read_tensors
from polyhead.contracts import validate_config
from polyhead.errors import ArtifactError, ConfigError, HubError, UnknownKindError
from polyhead.names import check_name
from polyhead.registry import registry

if TYPE_CHECKING:
    from polyhead.artifact import Manifest
    from polyhead.contracts import Adapter, Head

__all__ = ["check_loads", "class_of"]


def class_of(manifest: Manifest, path: Path) -> type[Head | Adapter]:
    """The class of the head or adapter that `path` holds.

    Raises:
        HubError: Its kind is not installed, so that nothing can be said of it.
    """
    kinds = registry()
    find = kinds.head if manifest.artifact == "head" else kinds.adapter
    try:
        return find(manifest.kind)
    except UnknownKindError as error:
        raise HubError(
            f"{path} is not pushed, since it cannot be checked: the {manifest.artifact} kind "
            f"{manifest.kind!r} of {manifest.provider.distribution} is not installed here."
        ) from error


def check_loads(manifest: Manifest, path: Path) -> None:
    """Reads the file as loading it would, on no encoder and into no model.

    Raises:
        ArtifactError: Its name, config or a tensor is not what it must be.
        HubError: Its kind is not installed.
    """
    check_name(manifest.name, manifest.artifact)
    cls: Any = class_of(manifest, path)
    try:
        config = validate_config(
            cls.Config, manifest.config, f"{manifest.artifact} kind {manifest.kind!r}"
        )
        with torch.device("meta"), torch.random.fork_rng(devices=[]):
            expected = cls(config, manifest.backbone.shape).state_dict()
    except ConfigError as error:
        raise ArtifactError(f"{path} does not load, so it is not pushed: {error}") from None
    except Exception as error:
        raise ArtifactError(
            f"{path} does not load, so it is not pushed: its config cannot be built."
        ) from error
    read_tensors(path, expected)
