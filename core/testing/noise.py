"""Weights that are no longer fresh: a fresh adapter may change nothing, and a fresh bias is 0."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import nn

__all__ = ["shaken"]

ModuleT = TypeVar("ModuleT", bound=nn.Module)


@torch.no_grad()
def shaken(module: ModuleT, seed: int = 0, size: float = 0.2) -> ModuleT:
    """Adds noise to every weight of `module`, in place, and returns it.

    Args:
        module: A head, an adapter or a part of one.
        seed: Of the noise, which depends on nothing else.
        size: Its standard deviation.
    """
    generator = torch.Generator().manual_seed(seed)
    for weight in module.parameters():
        if weight.is_floating_point():
            noise = torch.randn(weight.shape, generator=generator) * size
            weight.add_(noise.to(weight))
    return module
