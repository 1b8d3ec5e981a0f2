"""The configuration of AdapterFusion.

Fields carry the names and the meaning that the `adapters` library (AdapterHub) gives them.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from polyhead.adapters.layers import LayerNumbers, layers_kept
from polyhead.contracts import AdapterConfig, EncoderShape

__all__ = ["FusionConfig"]

_MOST_ADAPTERS = 1000
_DEFAULT_DROPOUT = 0.1  # DistilBERT's attention dropout, which the adapters library takes


class FusionConfig(AdapterConfig):
    """An attention over what several adapters make of a sub-layer's output.

    The defaults are the "dynamic" form; `FusionConfig.static("a", "b")` is the one without values.
    """

    adapters: tuple[Annotated[str, Field(min_length=1)], ...] = Field(
        max_length=_MOST_ADAPTERS,
        description="Names of the adapters that are fused, at least two, in this order: the last "
        "says what is asked for and how the sub-layer ends.",
    )
    sites: tuple[Literal["attention", "ffn"], ...] = Field(
        default=("ffn",),
        min_length=1,
        description="Where they are fused: 'ffn', 'attention', or both.",
    )
    leave_out: LayerNumbers = Field(
        default=(),
        description="Layers, counted from 0, where nothing is fused and none of the adapters acts.",
    )
    key: bool = Field(
        default=True, description="Whether a learned matrix reads the keys off what adapters make."
    )
    query: bool = Field(
        default=True, description="Whether a learned matrix reads the query off the hidden state."
    )
    value: bool = Field(
        default=True,
        description="Whether a learned matrix reads the values off what adapters make.",
    )
    query_before_ln: bool = Field(
        default=False,
        description="Whether the query is read off the sub-layer's output, and not off what the "
        "last adapter reads, which may be normed.",
    )
    regularization: bool = Field(
        default=True,
        description="Whether training keeps the values' matrix close to the identity, by "
        "0.01 * sum of squares of the difference in the loss.",
    )
    residual_before: bool = Field(
        default=False,
        description="Whether the last adapter's residual is added to what each adapter makes, "
        "before it is weighed, and not to the result.",
    )
    temperature: bool = Field(
        default=False,
        description="Whether the attention's scores are divided by a temperature, which falls from "
        "50 to 1 over the first 980 passes of training.",
    )
    value_before_softmax: bool = Field(
        default=True,
        description="Whether values are read off each adapter's result, or off their weighted sum: "
        "the same numbers. Kept for files.",
    )
    value_initialized: bool = Field(
        default=True,
        description="Whether the values' matrix starts as the identity, and not from N(0, 0.02).",
    )
    dropout_prob: float | None = Field(
        default=None,
        ge=0,
        lt=1,
        description="Dropout of the attention's scores in training; None stands for 0.1.",
    )

    @classmethod
    def dynamic(cls, *adapters: str, **fields: Any) -> Self:
        """The form with a matrix for values and its regularisation, which is the default."""
        return cls(adapters=adapters, **fields)

    @classmethod
    def static(cls, *adapters: str, **fields: Any) -> Self:
        """The form without a matrix for values: a weighted sum of what the adapters make."""
        without = {"value": False, "regularization": False, "value_initialized": False}
        return cls(adapters=adapters, **without | fields)

    @field_validator("adapters")
    @classmethod
    def _several(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(value) <= 1:
            raise ValueError("name at least two adapters: of one there is nothing to choose")
        if len(set(value)) < len(value):
            raise ValueError("name each adapter once")
        return value

    @field_validator("sites")
    @classmethod
    def _sorted(cls, value: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(sorted(set(value)))

    @model_validator(mode="after")
    def _check_fields_together(self) -> Self:
        if not (self.key or self.query or self.value):
            raise ValueError(
                "at least one of key, query and value must be true: nothing is learned"
            )
        if not self.value and (self.regularization or self.value_initialized):
            raise ValueError(
                "regularization and value_initialized need value: set them to false too, as "
                "FusionConfig.static does"
            )
        return self

    @property
    def dropout(self) -> float:
        """The dropout that `dropout_prob` stands for."""
        return _DEFAULT_DROPOUT if self.dropout_prob is None else self.dropout_prob

    def layers(self, shape: EncoderShape) -> list[int]:
        """The layers where adapters are fused.

        Raises:
            ConfigError: `leave_out` names a layer that the encoder lacks, or all of them.
        """
        return layers_kept(self.leave_out, shape)
