"""One label out of several, for a text or a pair of texts.

Dimensions: B rows, K labels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from polyhead.contracts import Prediction, Recipe
from polyhead.errors import InputError, listing
from polyhead.heads.classification.config import (
    ClassificationHeadConfig,
    configure_from_examples,
)
from polyhead.heads.classification.metrics import ClassificationMetrics
from polyhead.heads.logits import checked_logits, logits_of
from polyhead.heads.pooled_layers import PooledHead
from polyhead.heads.text_example import TextExample, encode_texts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from polyhead.contracts import Encoded, EncoderShape, HeadOutput, Tokenizer

__all__ = ["ClassificationHead", "ClassificationPrediction"]


class ClassificationPrediction(Prediction):
    """The label of one text."""

    label: str = Field(description="The most probable label.")
    score: float = Field(description="Its probability.")
    probabilities: dict[str, float] = Field(description="The probability of each label.")


class ClassificationHead(PooledHead):
    """Linear layers over one vector a row; the softmax of their output is the answer."""

    kind = "classification"
    Config = ClassificationHeadConfig
    Example = TextExample
    recipe: ClassVar[Recipe] = Recipe(epochs=8)
    config: ClassificationHeadConfig

    def __init__(self, config: ClassificationHeadConfig, shape: EncoderShape) -> None:
        """Builds the head with fresh weights.

        Args:
            config: What it looks like.
            shape: The sizes of the encoder it will be used with.
        """
        super().__init__(config, shape, len(config.labels))
        self._number_of = {label: number for number, label in enumerate(config.labels)}

    @classmethod
    def configure(
        cls, options: Mapping[str, Any], examples: Sequence[TextExample]
    ) -> ClassificationHeadConfig:
        """The config that `options` give, completed from labelled examples.

        Args:
            options: Fields of the config. Without `labels` they are those of the examples, sorted;
                `class_weights` may be "balanced".
            examples: The training examples.

        Raises:
            ConfigError: An option is unknown or out of range.
            InputError: The examples lack labels, have only one, or have one that is not given.
        """
        return configure_from_examples(options, examples)

    def encode(self, examples: Sequence[TextExample], tokenizer: Tokenizer) -> list[Encoded]:
        """One row each, and the label's number as the target.

        Raises:
            InputError: A text is empty or too long, or a label is unknown.
        """
        return encode_texts(examples, tokenizer, self._target)

    def targets(self, labels: Tensor, mask: Tensor) -> Tensor:
        """The labels' numbers, checked. Shape: (B,) -> (B,), int64.

        Raises:
            InputError: They are not one whole number a row, each that of a label.
        """
        labels = super().targets(labels, mask)
        if labels.ndim != 1:
            raise InputError(
                f"labels of shape {tuple(labels.shape)} do not fit; give one number a row."
            )
        if labels.is_floating_point() or labels.is_complex() or labels.dtype == torch.bool:
            raise InputError(f"labels must be whole numbers, not {labels.dtype}.")
        highest = len(self.config.labels) - 1
        wrong = labels[(labels < 0) | (labels > highest)]
        if wrong.numel():
            raise InputError(f"the label {int(wrong[0])} is not one of 0 to {highest}.")
        return labels.long()

    def loss(self, output: HeadOutput, targets: Tensor) -> Tensor:
        """Mean cross entropy in float32, weighted by `class_weights`. Shape: ()."""
        logits_BK = logits_of(output).float()
        weight_K = None
        if self.config.class_weights is not None:
            weight_K = logits_BK.new_tensor(self.config.class_weights)
        return functional.cross_entropy(logits_BK, targets.to(logits_BK.device), weight_K)

    def decode(self, output: HeadOutput, encoded: Sequence[Encoded]) -> list[Prediction]:
        """The most probable label of each example; probabilities are the softmax in float32.

        Raises:
            InputError: The logits are not finite.
        """
        del encoded  # a row is an example, in the same order
        probabilities_BK = checked_logits(output).softmax(dim=1)
        return [self._prediction(row) for row in probabilities_BK.tolist()]

    def metrics(self) -> ClassificationMetrics:
        """A fresh collector of accuracy, macro F1 and MCC."""
        return ClassificationMetrics()

    def _prediction(self, probabilities: list[float]) -> ClassificationPrediction:
        by_label = dict(zip(self.config.labels, probabilities, strict=True))
        label = max(by_label, key=by_label.__getitem__)
        return ClassificationPrediction(label=label, score=by_label[label], probabilities=by_label)

    def _target(self, example: TextExample) -> Tensor | None:
        if example.label is None:
            return None
        if example.label not in self._number_of:
            raise InputError(
                f"the label {example.label!r} is unknown to this head; it has: "
                f"{listing(self.config.labels)}."
            )
        return torch.tensor([self._number_of[example.label]])
