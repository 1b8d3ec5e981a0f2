"""What a training run tells its observers."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["TrainEvent"]


class TrainEvent(BaseModel):
    """One thing that happened in a training run; a line of its `train.jsonl`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    event: Literal["start", "step", "epoch", "end"]
    task: str = Field(description="The task being trained.")
    epoch: int = Field(default=0, ge=0, description="Counted from 1; 0 before the first.")
    step: int = Field(default=0, ge=0, description="Optimiser steps so far.")
    n_steps: int = Field(default=0, ge=0, description="Optimiser steps of the whole run.")
    lr: float | None = Field(default=None, description="Learning rate of the last step.")
    train_loss: float | None = Field(
        default=None, description="Of this step; for an epoch, the mean over its steps."
    )
    train_s: float | None = Field(default=None, description="Seconds spent in this epoch's steps.")
    eval_s: float | None = Field(default=None, description="Seconds spent in its evaluation.")
    metrics: dict[str, float] | None = Field(default=None, description="On the evaluation data.")
    is_best: bool | None = Field(default=None, description="Whether this epoch is the best so far.")
    reason: str | None = Field(default=None, description="Why the run ended.")
    settings: dict[str, Any] | None = Field(default=None, description="Of the run, at its start.")
