"""How a task's texts become tokens."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["TextSettings", "Truncation"]

Truncation = Literal["longest_first", "only_first", "only_second", "refuse"]


class TextSettings(BaseModel):
    """How a task's texts become tokens; saved with the task, so serving reads as training did."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_length: int = Field(
        default=128, ge=3, description="Most tokens of one row, special tokens included."
    )
    truncation: Truncation = Field(
        default="longest_first",
        description="Which text of a pair loses the tokens that do not fit; 'refuse' makes a text "
        "that is too long an error.",
    )
