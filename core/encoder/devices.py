"""Where an encoder is put."""

from __future__ import annotations

import torch

from polyhead.errors import ConfigError, shown

__all__ = ["device_named"]


def device_named(name: str | torch.device | None) -> torch.device:
    """The device of that name; the CPU when None.

    Raises:
        ConfigError: It is no device, or there is none of that name here.
    """
    try:
        device = torch.device("cpu" if name is None else name)
    except (RuntimeError, TypeError):
        raise ConfigError(f"{shown(name)} is no device; give 'cpu', 'cuda' or 'cuda:1'.") from None
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ConfigError(
            f"torch sees {torch.cuda.device_count()} CUDA devices here, so there is no "
            f"{str(device)!r}; 'cpu' is always there."
        )
    return device
