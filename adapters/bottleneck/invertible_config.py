"""The fields of a bottleneck's configuration that add an invertible adapter."""

from __future__ import annotations

from typing import Final, Literal, Self

from pydantic import Field, model_validator

from polyhead.contracts import AdapterConfig
from polyhead.errors import ConfigError

__all__ = ["InvertibleFields"]

_WIDEST: Final = 65_536  # far above any use; keeps a mistyped factor from asking for all memory


class InvertibleFields(AdapterConfig):
    """Whether the embeddings are mapped, too, and how."""

    inv_adapter: Literal["nice", "glow"] | None = Field(
        default=None,
        description="Invertible adapter behind the embeddings, undone before a masked language "
        "model's output: 'nice' adds to each half of an embedding what a small network makes of "
        "the other half; 'glow' scales it too.",
    )
    inv_adapter_reduction_factor: float | None = Field(
        default=None,
        gt=0,
        description="Half the width of the encoder divided by that of the networks in the "
        "invertible adapter (rounded down, at least 1).",
    )

    @model_validator(mode="after")
    def _check_invertible_fields(self) -> Self:
        if self.inv_adapter is None and self.inv_adapter_reduction_factor is not None:
            raise ValueError("inv_adapter_reduction_factor needs inv_adapter, 'nice' or 'glow'")
        if self.inv_adapter is not None and self.inv_adapter_reduction_factor is None:
            raise ValueError("inv_adapter needs inv_adapter_reduction_factor, as 2")
        return self

    def inverse_width(self, read: int) -> int:
        """Width of the network in an invertible adapter that reads `read` numbers.

        Raises:
            ConfigError: It is absurdly large.
        """
        factor = self.inv_adapter_reduction_factor or 1.0
        if read / factor > _WIDEST:
            raise ConfigError(
                f"inv_adapter_reduction_factor {factor} makes a network of width "
                f"{read / factor:,.0f}; the most is {_WIDEST:,}."
            )
        return max(1, int(read // factor))
