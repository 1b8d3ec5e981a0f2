"""What an engine promises, and what it does to keep that."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from polyhead.contracts import explain
from polyhead.errors import ConfigError

__all__ = ["EngineSettings"]


class EngineSettings(BaseModel):
    """How long batches and waits may be, and when a task is given up for a while."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    target_s: float = Field(
        default=0.2,
        gt=0,
        allow_inf_nan=False,
        description="Seconds that a batch may take: it holds as many tokens as are computed in it. "
        "Where more waits than four such batches, a quarter of that.",
    )
    max_batch_tokens: int = Field(
        default=2048, ge=64, description="Most tokens of a batch, however fast they are computed."
    )
    lanes: int | None = Field(
        default=None,
        ge=1,
        description="Parts of the machine that compute apart where there is much to do, a share of "
        "the cores each: two where there are two cores or more.",
    )
    max_wait_s: float = Field(
        default=2.0,
        gt=0,
        allow_inf_nan=False,
        description="Nothing more is taken while what waits would take longer than this.",
    )
    max_bulk_wait_s: float = Field(
        default=120.0, gt=0, allow_inf_nan=False, description="The same for what is not urgent."
    )
    max_waiting_bytes: int = Field(
        default=256_000_000,
        gt=0,
        description="Most memory of what waits, about: texts, their tokens and what holds them.",
    )
    stall_s: float = Field(
        default=60.0,
        gt=0,
        allow_inf_nan=False,
        description="An engine with a batch that takes so long, or none while rows wait, is stuck.",
    )
    failures_to_break: int = Field(
        default=5, ge=1, description="Failures of a task in a row until it is given up for a while."
    )
    slow_head_s: float = Field(
        default=1.0,
        gt=0,
        allow_inf_nan=False,
        description="A head that takes longer for its rows of a batch holds up all others: failed.",
    )
    break_s: float = Field(
        default=10.0,
        gt=0,
        allow_inf_nan=False,
        description="How long a task is given up at first; twice as long each time it fails again.",
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
            raise ConfigError(f"not settings of an engine: {explain(error)}.") from None
