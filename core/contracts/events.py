"""What training runs and those who answer texts tell their observers."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["ServeEvent", "TrainEvent"]


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


class ServeEvent(BaseModel):
    """One batch of a task's examples that was answered, or that failed.

    It holds no text and no answer, so that an observer may keep or send all of it; only `reason`
    may quote an input that was refused.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    event: Literal["answer", "error"]
    task: str = Field(description="The task that was asked.")
    head: str = Field(description="Its kind of head.")
    adapter: str | None = Field(
        default=None, description="Its kind of adapter; None for the bare encoder."
    )
    source: str = Field(description='Who answered: "predict" for the command of that name.')
    n_examples: int = Field(ge=0, description="Examples asked.")
    n_tokens: int = Field(
        default=0, ge=0, description="Tokens of their rows; 0 where it failed before they were."
    )
    n_cut: int = Field(default=0, ge=0, description="Examples that were cut to the longest length.")
    n_tasks: int = Field(
        default=1, ge=1, description="Tasks that the same pass answered: `seconds` is for all."
    )
    seconds: float = Field(ge=0, description="From reading the examples to their answers.")
    queue_s: float | None = Field(
        default=None, ge=0, description="Seconds waited before that, where there is a queue."
    )
    request_id: str | None = Field(default=None, description="Of the request, where it has one.")
    error: str | None = Field(default=None, description='Class of what was raised: "InputError".')
    reason: str | None = Field(default=None, description="What that said, in one line.")
