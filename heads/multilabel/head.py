"""Any number of labels, for a text or a pair of texts.

Dimensions: B rows, K labels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from polyhead.contracts import Prediction, Recipe, validate_config
from polyhead.errors import InputError, listing
from polyhead.heads.logits import checked_logits, logits_of
from polyhead.heads.multilabel.config import MultilabelHeadConfig, configure_from_examples
from polyhead.heads.multilabel.example import MultilabelExample
from polyhead.heads.multilabel.metrics import MultilabelMetrics
from polyhead.heads.multilabel.thresholds import chosen, tune_thresholds
from polyhead.heads.pooled_layers import PooledHead
from polyhead.heads.text_example import encode_texts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from polyhead.contracts import Encoded, EncoderShape, HeadOutput, Tokenizer

__all__ = ["MultilabelHead", "MultilabelPrediction"]


class MultilabelPrediction(Prediction):
    """The labels of one text."""

    labels: list[str] = Field(description="The labels chosen, the most probable first.")
    probabilities: dict[str, float] = Field(description="The probability of each label.")

    def __str__(self) -> str:
        chosen = [f"{label} ({self.probabilities[label]:.2f})" for label in self.labels]
        return ", ".join(chosen) or "none"


class MultilabelHead(PooledHead):
    """Linear layers over one vector a row; the sigmoid of each output is its label's probability.

    A label is chosen when its probability reaches its threshold.
    """

    kind = "multilabel"
    Config = MultilabelHeadConfig
    Example = MultilabelExample
    recipe: ClassVar[Recipe] = Recipe(epochs=8)
    config: MultilabelHeadConfig

    def __init__(self, config: MultilabelHeadConfig, shape: EncoderShape) -> None:
        """Builds the head with fresh weights.

        Args:
            config: What it looks like.
            shape: The sizes of the encoder it will be used with.
        """
        super().__init__(config, shape, len(config.labels))
        self._number_of = {label: number for number, label in enumerate(config.labels)}

    @classmethod
    def configure(
        cls, options: Mapping[str, Any], examples: Sequence[MultilabelExample]
    ) -> MultilabelHeadConfig:
        """The config that `options` give, completed from labelled examples.

        Args:
            options: Fields of the config. Without `labels` they are those of the examples, sorted;
                `pos_weight` may be "balanced".
            examples: The training examples.

        Raises:
            ConfigError: An option is unknown or out of range.
            InputError: The examples lack labels, have all the same, or have one that is not given.
        """
        return configure_from_examples(options, examples)

    def encode(self, examples: Sequence[MultilabelExample], tokenizer: Tokenizer) -> list[Encoded]:
        """One row each, and 1 for each of its labels as the target. Shape: (1, K), float32.

        Raises:
            InputError: A text is empty or too long, or a label is unknown.
        """
        return encode_texts(examples, tokenizer, self._target)

    def targets(self, labels: Tensor, mask: Tensor) -> Tensor:
        """The labels as float32, checked. Shape: (B, K) -> (B, K).

        Raises:
            InputError: They are not 0 or 1 for each row and label.
        """
        labels = super().targets(labels, mask)
        n_labels = len(self.config.labels)
        if labels.shape[1:] != (n_labels,):
            raise InputError(
                f"labels of shape {tuple(labels.shape)} do not fit; give 0 or 1 for each row and "
                f"each of the {n_labels} labels."
            )
        if labels.is_complex():
            raise InputError(f"labels must be 0 and 1, not {labels.dtype}.")
        wrong = labels[(labels != 0) & (labels != 1)]
        if wrong.numel():
            raise InputError(f"labels must be 0 and 1, not {wrong[0].item():g}.")
        return labels.float()

    def loss(self, output: HeadOutput, targets: Tensor) -> Tensor:
        """Mean binary cross entropy in float32, weighted by `pos_weight`. Shape: ()."""
        logits_BK = logits_of(output).float()
        weight_K = None
        if self.config.pos_weight is not None:
            weight_K = logits_BK.new_tensor(self.config.pos_weight)
        return functional.binary_cross_entropy_with_logits(
            logits_BK, targets.to(logits_BK.device), pos_weight=weight_K
        )

    def decode(self, output: HeadOutput, encoded: Sequence[Encoded]) -> list[Prediction]:
        """The chosen labels of each example; probabilities are the sigmoid in float32.

        Raises:
            InputError: The logits are not finite.
        """
        del encoded  # a row is an example, in the same order
        probabilities_BK = checked_logits(output).sigmoid()
        chosen_BK = chosen(probabilities_BK, self.config.thresholds)
        return [
            self._prediction(*row)
            for row in zip(probabilities_BK.tolist(), chosen_BK.tolist(), strict=True)
        ]

    def metrics(self) -> MultilabelMetrics:
        """A fresh collector of F1, precision, recall and exact matches, at the thresholds."""
        return MultilabelMetrics(self.config.thresholds)

    def tune_thresholds(self, output: HeadOutput, targets: Tensor) -> dict[str, float]:
        """For each label the threshold with the highest F1; `set_threshold` takes them over.

        Args:
            output: The head's logits for labelled texts that it was not trained on. Shape: (B, K).
            targets: 1 where a text has a label, else 0. Shape: (B, K).

        Raises:
            InputError: There are no texts, shapes differ, or a number is not finite, 0 or 1.
        """
        logits_BK = checked_logits(output)
        targets_BK = self.targets(targets.cpu(), logits_BK)
        found = tune_thresholds(logits_BK.sigmoid(), targets_BK)
        return dict(zip(self.config.labels, found, strict=True))

    def set_threshold(self, threshold: float | Mapping[str, float]) -> None:
        """Changes from which probability on labels are chosen; the head is saved with it.

        Args:
            threshold: One for all labels, or a mapping of labels to theirs.

        Raises:
            ConfigError: A threshold is not between 0 and 1, or a label is unknown.
        """
        fields = {**self.config.model_dump(), "threshold": threshold}
        self.config = validate_config(MultilabelHeadConfig, fields, "head kind 'multilabel'")

    def _prediction(self, probabilities: list[float], chosen: list[bool]) -> MultilabelPrediction:
        by_label = dict(zip(self.config.labels, probabilities, strict=True))
        labels = [label for label, is_chosen in zip(by_label, chosen, strict=True) if is_chosen]
        labels.sort(key=by_label.__getitem__, reverse=True)
        return MultilabelPrediction(labels=labels, probabilities=by_label)

    def _target(self, example: MultilabelExample) -> Tensor | None:
        if example.labels is None:
            return None
        target_1K = torch.zeros(1, len(self.config.labels))
        for label in example.labels:
            if label not in self._number_of:
                raise InputError(
                    f"the label {label!r} is unknown to this head; it has: "
                    f"{listing(self.config.labels)}."
                )
            target_1K[0, self._number_of[label]] = 1.0
        return target_1K
