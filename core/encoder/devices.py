"""Where an encoder is put."""

from __future__ import annotations

import torch

from polyhead.errors import ConfigError, shown

__all__ = ["device_named"]


def device_named(name: str | torch.device | None, *, has_auto: bool = False) -> torch.device:
    """The device of that name; the CPU when None.

    Args:
        name: A device, or its name.
        has_auto: Whether the caller understands "auto" besides, for the message.

    Raises:
        ConfigError: It is no device, or there is none of that name here.
    """
    try:
        device = torch.device("cpu" if name is None else name)
    except (RuntimeError, TypeError):
        names = "'auto', 'cpu', 'cuda' or 'cuda:1'" if has_auto else "'cpu', 'cuda' or 'cuda:1'"
        raise ConfigError(f"{shown(name)} is no device; give {names}.") from None
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ConfigError(
            f"torch sees {torch.cuda.device_count()} CUDA devices here, so there is no "
            f"{str(device)!r}; 'cpu' is always there."
        )
    return device
