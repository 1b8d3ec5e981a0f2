"""What is measured, and how often."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["BenchSettings"]


class BenchSettings(BaseModel):
    """How much is measured."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    adapter: str = Field(default="seq_bn", description="Config string of the adapters.")
    n_adapters: int = Field(default=1000, gt=0, description="Adapters resident at once.")
    n_texts: int = Field(default=96, gt=0, description="Texts that are computed in bulk.")
    n_rounds: int = Field(default=3, gt=0, description="Rounds, of which medians are told.")
    seed: int = Field(default=0, description="Decides lengths, tokens and which adapter is drawn.")
