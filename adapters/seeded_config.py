"""Configurations of adapters whose first weights may follow from a seed."""

from __future__ import annotations

import torch
from pydantic import Field

from polyhead.contracts import AdapterConfig

__all__ = ["SeededConfig"]


class SeededConfig(AdapterConfig):
    """An adapter that draws its first weights."""

    init_weights_seed: int | None = Field(
        default=None,
        ge=0,
        lt=2**63,
        strict=True,
        description="Seed of the first weights; None draws from torch's global generator.",
    )

    def generator(self) -> torch.Generator | None:
        """Where the first weights are drawn from; None for torch's global generator."""
        if self.init_weights_seed is None:
            return None
        return torch.Generator().manual_seed(self.init_weights_seed)
