"""Where a pipeline computes."""

from __future__ import annotations

import logging

import torch

from polyhead.errors import ConfigError, shown

__all__ = ["default_device", "read_device"]

_LOG = logging.getLogger(__name__)


def default_device() -> torch.device:
    """The first GPU, or the CPU where there is none."""
    return torch.device("cuda", 0) if torch.cuda.is_available() else torch.device("cpu")


def read_device(device: object) -> torch.device:
    """The device that an argument names.

    Args:
        device: The number of a GPU, -1 for the CPU, the name of a device, or a `torch.device`. A
            number where there is no GPU at all means the CPU, as in transformers; a name is taken
            at its word.

    Raises:
        ConfigError: It is none of these, or there is no such device here.
    """
    if isinstance(device, bool) or not isinstance(device, int | str | torch.device):
        raise _odd(device)
    if isinstance(device, int):
        return _numbered(device)
    try:
        found = torch.device(device)
    except RuntimeError:
        raise _odd(device) from None
    if found.type == "cuda":
        _check_gpu(found.index or 0)
    elif found.type == "mps" and not torch.backends.mps.is_available():
        raise ConfigError("device='mps' is not available here; use device='cpu'.")
    elif found.type not in {"cpu", "mps"}:
        raise _odd(device)
    return found


def _numbered(number: int) -> torch.device:
    if number < 0:
        return torch.device("cpu")
    if not torch.cuda.is_available():
        _LOG.warning("device=%d: there is no GPU that torch can use; computing on the CPU.", number)
        return torch.device("cpu")
    _check_gpu(number)
    return torch.device("cuda", number)


def _check_gpu(number: int) -> None:
    n_gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if n_gpus == 0:
        raise ConfigError(
            "device 'cuda' is not available: there is no GPU that torch can use; use device='cpu'."
        )
    if number >= n_gpus:
        raise ConfigError(f"there is no GPU {number}; the GPUs here are 0 to {n_gpus - 1}.")


def _odd(device: object) -> ConfigError:
    return ConfigError(
        "device must be the number of a GPU, -1, 'cpu', 'cuda', 'cuda:1' or a torch.device of such "
        f"a name, not {shown(device)}."
    )
