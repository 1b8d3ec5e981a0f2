"""Where a model's weights go, and in which floating-point type."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from polyhead.encoder import device_named
from polyhead.errors import ConfigError, shown

__all__ = ["DeviceMap", "device_of", "dtype_of"]

DeviceMap = str | int | torch.device | Mapping[str, str | int | torch.device]
"""A device for the whole model: "auto", its name or number, or as the only entry of a mapping."""


def device_of(device_map: DeviceMap | None) -> torch.device:
    """The device that `device_map` stands for.

    Args:
        device_map: "auto" is the first GPU if torch sees one, else the CPU; None is the CPU.

    Raises:
        ConfigError: It is no device, or maps parts of the model to several.
    """
    if isinstance(device_map, Mapping):
        if len(set(device_map.values())) != 1:
            raise ConfigError(
                "device_map names several devices; the model is small and goes to one: give its "
                "name, or 'auto'."
            )
        device_map = next(iter(device_map.values()))
    if device_map == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if isinstance(device_map, int):
        device_map = f"cuda:{device_map}"
    return device_named(device_map, has_auto=True)


def dtype_of(dtype: str | torch.dtype | None, of_checkpoint: torch.dtype | None) -> torch.dtype:
    """The floating-point type that `dtype` stands for.

    Args:
        dtype: A type or its name; None is float32, and "auto" that of the checkpoint.
        of_checkpoint: What its config.json says; None is float32.

    Raises:
        ConfigError: It is no floating-point type.
    """
    if dtype == "auto":
        return of_checkpoint or torch.float32
    name = dtype.removeprefix("torch.") if isinstance(dtype, str) else dtype
    found = getattr(torch, name, None) if isinstance(name, str) else name
    if found is None and dtype is None:
        return torch.float32
    if not isinstance(found, torch.dtype) or not found.is_floating_point:
        raise ConfigError(
            f"{shown(dtype)} is no floating-point type; give 'float32', 'float16', 'bfloat16' or "
            "'auto'."
        )
    return found
