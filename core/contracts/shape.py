"""The sizes of an encoder, which heads and adapters are built for."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["EncoderShape"]


class EncoderShape(BaseModel):
    """What a head or an adapter needs to know of the encoder it is built for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    width: int = Field(gt=0, description="Size of a hidden state, D.")
    n_layers: int = Field(gt=0, description="Number of transformer layers.")
    n_heads: int = Field(gt=0, description="Number of attention heads of a layer.")
    ffn_width: int = Field(
        gt=0, description="Size of the hidden layer of the feed-forward network."
    )
    max_positions: int = Field(gt=0, description="Most tokens of one row.")
    vocab_size: int = Field(gt=0, description="Number of token ids.")

    def __str__(self) -> str:
        return f"{self.n_layers} layers of width {self.width}"
