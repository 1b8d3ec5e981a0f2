"""How a training run goes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from pydantic import BaseModel, ConfigDict, Field

from polyhead.contracts import validate_config

if TYPE_CHECKING:
    from polyhead.contracts import Recipe

__all__ = ["TrainSettings"]

_LARGEST_SEED = 2**63 - 1


class TrainSettings(BaseModel):
    """The settings of a run; saved with the task it trained."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    epochs: int = Field(default=3, ge=1, description="Passes over the training examples.")
    lr: float = Field(default=1e-3, gt=0, description="Highest learning rate, that after warm-up.")
    head_lr: float | None = Field(
        default=None, gt=0, description="The head's own highest learning rate; None: the same."
    )
    batch_size: int = Field(default=32, ge=1, description="Examples of one optimiser step.")
    seed: int = Field(
        default=0, ge=0, le=_LARGEST_SEED, description="Seed of the examples' order and of dropout."
    )
    warmup_ratio: float = Field(
        default=0.1, ge=0, le=1, description="Share of all steps in which the learning rate rises."
    )
    weight_decay: float = Field(
        default=0.0, ge=0, description="AdamW's decay of matrices; biases and norms have none."
    )
    patience: int | None = Field(
        default=None,
        ge=1,
        description="Epochs in a row without a better result that end the run; None: never.",
    )
    max_grad_norm: float | None = Field(
        default=1.0, gt=0, description="Longer gradients of a task are cut to it; None: never."
    )
    activation_cache: float = Field(
        default=2.0,
        ge=0,
        description="Most memory, in GB, to keep what the encoder computes of each text for the "
        "next epochs, where no adapter that learns changes it; 0: none.",
    )

    @classmethod
    def of(cls, recipe: Recipe, **given: Any) -> Self:
        """The settings that a kind of head recommends, but for what is given.

        Args:
            recipe: The head's.
            given: Fields of the settings; None leaves the recommended value.

        Raises:
            ConfigError: A setting is unknown or out of range.
        """
        fields = recipe.model_dump(exclude={"adapter", "text"})
        fields |= {name: value for name, value in given.items() if value is not None}
        return validate_config(cls, fields, "the training settings")
