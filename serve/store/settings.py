"""How much a store keeps, and where."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from polyhead.contracts import explain
from polyhead.errors import ConfigError

__all__ = ["StoreSettings"]


class StoreSettings(BaseModel):
    """How many bytes and versions of tasks are kept, and what becomes of broken ones."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_bytes: int = Field(
        default=1_000_000_000,
        gt=0,
        description="Most bytes of weights in memory; tasks in use and pinned ones are beyond it.",
    )
    max_versions: int = Field(
        default=3, ge=1, le=100, description="Versions of a task to which it can be rolled back."
    )
    archive: bool = Field(
        default=True, description="Whether versions that were loaded are kept on disk."
    )
    n_loaders: int = Field(default=2, ge=1, le=64, description="Tasks that are loaded at once.")
    retry_s: float = Field(
        default=5.0,
        gt=0,
        allow_inf_nan=False,
        description="A task that could not be loaded is not tried again for so long; twice as long "
        "each time, unless its files change.",
    )
    max_retry_s: float = Field(
        default=300.0, gt=0, allow_inf_nan=False, description="The longest such time."
    )

    @classmethod
    def of(cls, **values: object) -> Self:
        """The settings with these values.

        Raises:
            ConfigError: One is unknown or out of range.
        """
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise ConfigError(f"not settings of a store: {explain(error)}.") from None
