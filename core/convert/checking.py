"""Imported parts, held to what their kinds expect before anything is registered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import torch
from torch import Tensor, nn

from polyhead.composition import AdapterSetup
from polyhead.contracts import AdapterConfig, EncoderShape, HeadConfig, validate_config
from polyhead.convert.bundle import AdapterPart, HeadPart
from polyhead.errors import ArtifactError, ConfigError, ConversionError, UnknownKindError
from polyhead.model import UNSET
from polyhead.names import check_name
from polyhead.registry import registry

if TYPE_CHECKING:
    from polyhead.model.unset import Unset

__all__ = ["adapter_config", "checked_adapter", "checked_head", "expected_tensors", "head_config"]

_SHOWN: Final = 3


def adapter_config(kind: str, fields: Mapping[str, Any], source: Path) -> AdapterConfig:
    """The configuration of an adapter of that kind.

    Raises:
        ConversionError: The kind is not installed, or does not take such fields.
    """
    try:
        return validate_config(registry().adapter(kind).Config, fields, f"adapter kind {kind!r}")
    except (ConfigError, UnknownKindError) as error:
        raise ConversionError(f"{source} cannot be carried over: {error}") from None


def head_config(kind: str, fields: Mapping[str, Any], source: Path) -> HeadConfig:
    """The configuration of a head of that kind.

    Raises:
        ConversionError: The kind is not installed, or does not take such fields.
    """
    try:
        return validate_config(registry().head(kind).Config, fields, f"head kind {kind!r}")
    except (ConfigError, UnknownKindError) as error:
        raise ConversionError(f"{source} cannot be carried over: {error}") from None


def checked_adapter(
    name: str,
    config: AdapterConfig,
    tensors: Mapping[str, Tensor],
    shape: EncoderShape,
    source: Path,
    *,
    their_names: Mapping[str, str] | None = None,
) -> AdapterPart:
    """An adapter part that can be built and loaded.

    Args:
        name: What it is called.
        config: Its configuration.
        tensors: By the names of its `state_dict`.
        shape: The sizes of the encoder it is for.
        source: The file, for messages.
        their_names: For messages, what a tensor is called in the file; left out where alike.

    Raises:
        InvalidNameError: `name` cannot be a name.
        ArtifactError: A tensor is missing, unexpected or of another shape, or the config does not
            fit the encoder.
    """
    _check(expected_tensors(config, shape, source), tensors, source, their_names or {})
    return AdapterPart(check_name(name, "adapter"), config, dict(tensors))


def checked_head(
    name: str,
    config: HeadConfig,
    tensors: Mapping[str, Tensor],
    shape: EncoderShape,
    source: Path,
    *,
    adapter: AdapterSetup | Unset = UNSET,
    their_names: Mapping[str, str] | None = None,
) -> HeadPart:
    """A head part that can be built and loaded.

    Args:
        name: What it is called.
        config: Its configuration.
        tensors: By the names of its `state_dict`.
        shape: The sizes of the encoder it is for.
        source: The file, for messages.
        adapter: As in `HeadPart`.
        their_names: For messages, what a tensor is called in the file; left out where alike.

    Raises:
        InvalidNameError: `name` cannot be a name.
        ArtifactError: A tensor is missing, unexpected or of another shape, or the config does not
            fit the encoder.
    """
    _check(expected_tensors(config, shape, source), tensors, source, their_names or {})
    return HeadPart(check_name(name, "head"), config, dict(tensors), adapter)


def expected_tensors(
    config: AdapterConfig | HeadConfig, shape: EncoderShape, source: Path
) -> dict[str, Tensor]:
    """The `state_dict` of an adapter or head, on the meta device, where it takes no memory.

    Args:
        config: Its class tells the kind.
        shape: The sizes of the encoder it is for.
        source: The file, for messages.

    Raises:
        ArtifactError: The config does not fit the encoder.
    """
    make: Callable[[], nn.Module]
    if isinstance(config, AdapterConfig):
        make = partial(registry().adapter_for(config), config, shape)
    else:
        make = partial(registry().head_for(config), config, shape)
    try:
        with torch.device("meta"), torch.random.fork_rng(devices=[]):
            return dict(make().state_dict())
    except Exception as error:  # a config of unknown origin may ask for anything
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ArtifactError(
            f"{source} does not fit this backbone: {reason[:300].rstrip('.')}."
        ) from error


def _check(
    expected: Mapping[str, Tensor],
    tensors: Mapping[str, Tensor],
    source: Path,
    their_names: Mapping[str, str],
) -> None:
    """Compares tensors with those that a module has."""
    for problem, names in (
        ("lacks", sorted(expected.keys() - tensors.keys())),
        ("has unexpected", sorted(tensors.keys() - expected.keys())),
    ):
        if names:
            shown = ", ".join(their_names.get(name, name)[:150] for name in names[:_SHOWN])
            more = ", ..." if len(names) > _SHOWN else ""
            raise ArtifactError(f"{source} {problem} tensors: {shown}{more}.")
    for name, like in expected.items():
        if tensors[name].shape != like.shape:
            raise ArtifactError(
                f"{source}: {their_names.get(name, name)[:150]} has the shape "
                f"{tuple(tensors[name].shape)}; its config and the backbone make it "
                f"{tuple(like.shape)}."
            )
