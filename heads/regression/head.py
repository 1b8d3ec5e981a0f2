"""One number or several, for a text or a pair of texts.

Dimensions: B rows, K outputs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from polyhead.contracts import Prediction, Recipe
from polyhead.errors import InputError, listing
from polyhead.heads.logits import checked_logits, logits_of
from polyhead.heads.pooled_layers import PooledHead
from polyhead.heads.regression.config import RegressionHeadConfig, configure_from_examples
from polyhead.heads.regression.example import RegressionExample, values_of
from polyhead.heads.regression.metrics import RegressionMetrics
from polyhead.heads.text_example import encode_texts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from polyhead.batch import Hidden
    from polyhead.contracts import Encoded, EncoderShape, HeadOutput, Tokenizer

__all__ = ["RegressionHead", "RegressionPrediction"]


class RegressionPrediction(Prediction):
    """The numbers of one text."""

    score: float = Field(description="The value of the only output, or of the first of several.")
    values: dict[str, float] = Field(description="The value of each output.")

    def __str__(self) -> str:
        if len(self.values) == 1:
            return f"{self.score:.3f}"
        return ", ".join(f"{name} {value:.3f}" for name, value in self.values.items())


class RegressionHead(PooledHead):
    """Linear layers over one vector a row, whose outputs are the answer.

    They are in the labels' own unit, and are not cut to the range that the labels had in training.
    """

    kind = "regression"
    Config = RegressionHeadConfig
    Example = RegressionExample
    recipe: ClassVar[Recipe] = Recipe(epochs=6)
    config: RegressionHeadConfig

    def __init__(self, config: RegressionHeadConfig, shape: EncoderShape) -> None:
        """Builds the head with fresh weights.

        Args:
            config: What it looks like.
            shape: The sizes of the encoder it will be used with.
        """
        super().__init__(config, shape, len(config.outputs))

    @classmethod
    def configure(
        cls, options: Mapping[str, Any], examples: Sequence[RegressionExample]
    ) -> RegressionHeadConfig:
        """The config that `options` give, completed from labelled examples.

        Args:
            options: Fields of the config. Without `outputs` they are the names that the labels
                give; without `target_mean` and `target_scale` they are those of the labels, and
                None for these means 0 and 1.
            examples: The training examples.

        Raises:
            ConfigError: An option is unknown or out of range.
            InputError: The examples lack labels, have other outputs, or all have the same value.
        """
        return configure_from_examples(options, examples)

    def encode(self, examples: Sequence[RegressionExample], tokenizer: Tokenizer) -> list[Encoded]:
        """One row each, and its numbers as the target. Shape: (1, K), float32.

        Raises:
            InputError: A text is empty or too long, or a label does not fit the outputs.
        """
        return encode_texts(examples, tokenizer, self._target)

    @property
    def reads_first_only(self) -> bool:
        """See the base class, whose `forward` is all that reads hidden states."""
        return super().reads_first_only

    def forward(self, hidden: Hidden) -> Tensor:
        """The outputs in the labels' unit. Shape: (B, K).

        Where the config has a mean or a scale they are float32 at least, since half precision
        would round a large mean.
        """
        output_BK = super().forward(hidden)
        if self.config.target_mean is None and self.config.target_scale is None:
            return output_BK
        output_BK = output_BK.to(torch.promote_types(output_BK.dtype, torch.float32))
        mean, scale = self.config.mean_and_scale
        return output_BK * output_BK.new_tensor(scale) + output_BK.new_tensor(mean)

    def targets(self, labels: Tensor, mask: Tensor) -> Tensor:
        """The labels' numbers, checked. Shape: (B,) or (B, K) -> (B, K), float32.

        Raises:
            InputError: They are not one finite number for each row and output.
        """
        labels = super().targets(labels, mask)
        n_outputs = len(self.config.outputs)
        if labels.is_complex() or labels.dtype == torch.bool:
            raise InputError(f"labels must be numbers, not {labels.dtype}.")
        labels_BK = labels[:, None] if labels.ndim == n_outputs == 1 else labels
        if labels_BK.shape[1:] != (n_outputs,):
            needed = (
                "one number a row"
                if n_outputs == 1
                else f"{n_outputs} numbers a row, for {listing(self.config.outputs)}"
            )
            raise InputError(f"labels of shape {tuple(labels.shape)} do not fit; give {needed}.")
        labels_BK = labels_BK.float()
        is_finite_B = torch.isfinite(labels_BK).all(dim=1)
        if not bool(is_finite_B.all()):
            row = int(is_finite_B.logical_not().nonzero()[0, 0])
            raise InputError(f"the label of row {row + 1} is not a finite number.")
        return labels_BK

    def loss(self, output: HeadOutput, targets: Tensor) -> Tensor:
        """Mean squared error in float32, in units of `target_scale`. Shape: ()."""
        output_BK = logits_of(output).float()
        _, scale = self.config.mean_and_scale
        errors_BK = (output_BK - targets.to(output_BK.device)) / output_BK.new_tensor(scale)
        return errors_BK.square().mean()

    def decode(self, output: HeadOutput, encoded: Sequence[Encoded]) -> list[Prediction]:
        """The numbers of each example.

        Raises:
            InputError: An output is not finite.
        """
        del encoded  # a row is an example, in the same order
        return [self._prediction(values) for values in checked_logits(output).tolist()]

    def metrics(self) -> RegressionMetrics:
        """A fresh collector of Spearman's and Pearson's correlation, MSE and MAE."""
        return RegressionMetrics()

    def _prediction(self, values: list[float]) -> RegressionPrediction:
        by_name = dict(zip(self.config.outputs, values, strict=True))
        return RegressionPrediction(score=values[0], values=by_name)

    def _target(self, example: RegressionExample) -> Tensor | None:
        if example.label is None:
            return None
        return torch.tensor([values_of(example.label, self.config.outputs)])
