"""How a kind of head is trained where the user does not say."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from polyhead.tokenizer import TextSettings

__all__ = ["Recipe"]


class Recipe(BaseModel):
    """Measured defaults of a kind of head; benchmarks/quality has the figures they give."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    adapter: str | None = Field(
        default="seq_bn", description="The adapter's config string; None for the bare encoder."
    )
    epochs: int = Field(default=3, ge=1, description="Passes over the training examples.")
    lr: float = Field(default=1e-3, gt=0, description="Highest learning rate, that after warm-up.")
    head_lr: float | None = Field(
        default=None, gt=0, description="The head's own highest learning rate; None: the same."
    )
    batch_size: int = Field(default=32, ge=1, description="Examples of one optimiser step.")
    text: TextSettings = Field(
        default_factory=TextSettings, description="How texts are read, at most."
    )
