"""One label out of several, for a text or a pair of texts.

Dimensions: B rows, D width of the encoder, K labels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional, init

from polyhead.contracts import Encoded, Head, Prediction, activation_of
from polyhead.errors import InputError, listing
from polyhead.heads.classification_config import (
    ClassificationHeadConfig,
    configure_from_examples,
)
from polyhead.heads.classification_metrics import ClassificationMetrics
from polyhead.heads.logits import checked_logits, logits_of
from polyhead.heads.text_example import TextExample

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from polyhead.batch import Hidden
    from polyhead.contracts import EncoderShape, HeadOutput, Tokenizer

__all__ = ["ClassificationHead", "ClassificationPrediction"]


class ClassificationPrediction(Prediction):
    """The label of one text."""

    label: str = Field(description="The most probable label.")
    score: float = Field(description="Its probability.")
    probabilities: dict[str, float] = Field(description="The probability of each label.")


class ClassificationHead(Head):
    """Linear layers over one vector a row.

    With c the pooled hidden state, and the layers 1 to n: `c = activation(W_i dropout(c) + b_i)`
    for all but the last, then `logits = W_n dropout(c) + b_n`. Weights start as N(0, 0.02), biases
    as 0.

    Source: the classification head of the `adapters` library 1.3, whose files the tests read.
    """

    kind = "classification"
    Config = ClassificationHeadConfig
    Example = TextExample
    config: ClassificationHeadConfig

    def __init__(self, config: ClassificationHeadConfig, shape: EncoderShape) -> None:
        """Builds the head with fresh weights.

        Args:
            config: What it looks like.
            shape: The sizes of the encoder it will be used with.
        """
        super().__init__(config, shape)
        self.activation = activation_of(config.activation)
        self.dense = nn.ModuleList(
            nn.Linear(shape.width, shape.width) for _ in range(config.layers - 1)
        )
        self.out = nn.Linear(shape.width, len(config.labels), bias=config.bias)
        self._number_of = {label: number for number, label in enumerate(config.labels)}
        for module in (*self.dense, self.out):
            init.normal_(module.weight, std=0.02)
            if module.bias is not None:
                init.zeros_(module.bias)

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
        texts = [example.text for example in examples]
        rows = tokenizer.rows(texts, [example.text_pair for example in examples])
        return [
            Encoded(example, (row,), self._target(example.label))
            for example, row in zip(examples, rows, strict=True)
        ]

    def forward(self, hidden: Hidden) -> Tensor:
        """Logits. Shape: (B, K)."""
        match self.config.pooling:
            case "cls":
                pooled_BD = hidden.cls
            case "mean":
                pooled_BD = hidden.mean()
            case "max":
                pooled_BD = hidden.max()
        for layer in self.dense:
            pooled_BD = self.activation(layer(self._drop(pooled_BD)))
        logits_BK: Tensor = self.out(self._drop(pooled_BD))
        return logits_BK

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
        """A fresh collector of accuracy and macro F1."""
        return ClassificationMetrics()

    def _prediction(self, probabilities: list[float]) -> ClassificationPrediction:
        by_label = dict(zip(self.config.labels, probabilities, strict=True))
        label = max(by_label, key=by_label.__getitem__)
        return ClassificationPrediction(label=label, score=by_label[label], probabilities=by_label)

    def _target(self, label: str | None) -> Tensor | None:
        if label is None:
            return None
        if label not in self._number_of:
            raise InputError(
                f"the label {label!r} is unknown to this head; it has: "
                f"{listing(self.config.labels)}."
            )
        return torch.tensor([self._number_of[label]])

    def _drop(self, values: Tensor) -> Tensor:
        return functional.dropout(values, self.config.dropout, self.training)
