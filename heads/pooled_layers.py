"""Linear layers over one vector a row: what several kinds of heads are made of.

Dimensions: B rows, D width of the encoder, K outputs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, Field
from torch import Tensor, nn
from torch.nn import functional, init

from polyhead.contracts import Head, HeadConfig, activation_of, check_activation

if TYPE_CHECKING:
    from polyhead.batch import Hidden
    from polyhead.contracts import EncoderShape

__all__ = ["PooledHead", "PooledHeadConfig"]


class PooledHeadConfig(HeadConfig):
    """Base of the configurations of heads that read one vector a row."""

    layers: int = Field(
        default=2, ge=1, le=16, description="Linear layers; all but the last keep the width."
    )
    activation: Annotated[str, AfterValidator(check_activation)] = Field(
        default="tanh", description="Activation behind each layer but the last."
    )
    dropout: float = Field(
        default=0.1, ge=0, lt=1, description="Dropout in front of each layer, in training."
    )
    first_dropout: float | None = Field(
        default=None,
        ge=0,
        lt=1,
        description="Dropout in front of the first layer, where it differs from the others'; "
        "DistilBERT's own classifier has none there.",
    )
    pooling: Literal["mean", "max", "cls"] = Field(
        default="mean",
        description="How a text becomes one vector: the mean or the largest value over its tokens, "
        "or its first token as in BERT's and DistilBERT's own classifiers.",
    )
    bias: bool = Field(default=True, description="Whether the last layer has a bias.")


class PooledHead(Head):
    """Base of heads that are linear layers over one vector a row.

    With c the pooled hidden state, and the layers 1 to n: `c = activation(W_i dropout(c) + b_i)`
    for all but the last, then `output = W_n dropout(c) + b_n`. Weights start as N(0, 0.02), biases
    as 0.

    Source: the classification head of the `adapters` library 1.3, whose files the tests read.
    """

    config: PooledHeadConfig

    def __init__(self, config: PooledHeadConfig, shape: EncoderShape, n_outputs: int) -> None:
        """Builds the layers with fresh weights.

        Args:
            config: What they look like.
            shape: The sizes of the encoder they will be used with.
            n_outputs: K, the numbers computed for each row.
        """
        super().__init__(config, shape)
        self.activation = activation_of(config.activation)
        self.dense = nn.ModuleList(
            nn.Linear(shape.width, shape.width) for _ in range(config.layers - 1)
        )
        self.out = nn.Linear(shape.width, n_outputs, bias=config.bias)
        for module in (*self.dense, self.out):
            init.normal_(module.weight, std=0.02)
            if module.bias is not None:
                init.zeros_(module.bias)

    @property
    def reads_first_only(self) -> bool:
        """See the base class."""
        return self.config.pooling == "cls" and not self.keeps_layers

    def forward(self, hidden: Hidden) -> Tensor:
        """What the last layer gives. Shape: (B, K)."""
        config = self.config
        match config.pooling:
            case "cls":
                pooled_BD = hidden.cls
            case "mean":
                pooled_BD = hidden.mean()
            case "max":
                pooled_BD = hidden.max()
        pooled_BD = self._drop(
            pooled_BD, config.dropout if config.first_dropout is None else config.first_dropout
        )
        for layer in self.dense:
            pooled_BD = self._drop(self.activation(layer(pooled_BD)), config.dropout)
        output_BK: Tensor = self.out(pooled_BD)
        return output_BK

    def _drop(self, values: Tensor, probability: float) -> Tensor:
        return functional.dropout(values, probability, self.training)
