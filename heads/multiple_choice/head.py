"""The right one of several texts, any number of them.

Dimensions: E examples, R rows (one for each choice of each example), C the most choices of one
example, T tokens.
"""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, Any, cast

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from polyhead.batch import Packing
from polyhead.contracts import Encoded, Prediction
from polyhead.errors import InputError
from polyhead.heads.logits import logits_of
from polyhead.heads.multiple_choice.config import MultipleChoiceHeadConfig
from polyhead.heads.multiple_choice.example import MultipleChoiceExample
from polyhead.heads.multiple_choice.metrics import MultipleChoiceMetrics, choice_logits
from polyhead.heads.pooled_layers import PooledHead

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from polyhead.batch import Hidden, Row
    from polyhead.contracts import EncoderShape, HeadConfig, HeadOutput, Tokenizer

__all__ = ["MultipleChoiceHead", "MultipleChoicePrediction"]

_WITH_CHOICES = 3  # dimensions of a batch (E, C, T)


class MultipleChoicePrediction(Prediction):
    """The most probable choice of one example."""

    choice: int = Field(description="Its number, counted from 0.")
    text: str = Field(description="Its text.")
    score: float = Field(description="Its probability.")
    probabilities: tuple[float, ...] = Field(description="The probability of each choice.")

    def __str__(self) -> str:
        return f"{self.text} ({self.score:.2f})"


class MultipleChoiceHead(PooledHead):
    """A score for each choice; the softmax over those of one example is the answer.

    Each choice is a row, read behind the example's text where there is one. Examples of one batch
    may have different numbers of choices.

    Source: the multiple-choice head of the `adapters` library 1.3, whose files the tests read.
    """

    kind = "multiple_choice"
    Config = MultipleChoiceHeadConfig
    Example = MultipleChoiceExample
    answers = "example"
    config: MultipleChoiceHeadConfig

    def __init__(self, config: MultipleChoiceHeadConfig, shape: EncoderShape) -> None:
        """Builds the head with fresh weights.

        Args:
            config: What it looks like.
            shape: The sizes of the encoder it will be used with.
        """
        super().__init__(config, shape, 1)

    @classmethod
    def configure(
        cls, options: Mapping[str, Any], examples: Sequence[MultipleChoiceExample]
    ) -> HeadConfig:
        """The config that `options` give.

        Args:
            options: Fields of the config.
            examples: The training examples; none for a head that is not trained.

        Raises:
            ConfigError: An option is unknown or out of range.
            InputError: No example has more than one choice.
        """
        if examples and all(len(example.choices) == 1 for example in examples):
            raise InputError(
                f"all {len(examples)} training examples have a single choice; a multiple_choice "
                "task learns from examples with wrong ones too."
            )
        return super().configure(options, examples)

    def encode(
        self, examples: Sequence[MultipleChoiceExample], tokenizer: Tokenizer
    ) -> list[Encoded]:
        """A row for each choice, and the right one's number as the target.

        Raises:
            InputError: A text or choice is empty or too long, or a label is none of the choices.
        """
        targets = [_target(example, number) for number, example in enumerate(examples)]
        rows = iter(_rows(examples, tokenizer))
        return [
            Encoded(example, tuple(next(rows) for _ in example.choices), target)
            for example, target in zip(examples, targets, strict=True)
        ]

    @property
    def reads_first_only(self) -> bool:
        """See the base class, whose `forward` is all that reads hidden states."""
        return super().reads_first_only

    def forward(self, hidden: Hidden) -> Tensor:
        """Logits, -inf where an example has fewer choices than others. Shape: (E, C)."""
        scores_R = super().forward(hidden).squeeze(1)
        counts = hidden.row_counts or (1,) * hidden.n_rows
        packing = Packing(counts)
        there = packing.on(scores_R.device)
        places = there.row_of_token, there.column_of_token
        logits_EC = scores_R.new_full((packing.n_rows, max(counts, default=0)), -torch.inf)
        return logits_EC.index_put(places, scores_R)

    def targets(self, labels: Tensor, mask: Tensor) -> Tensor:
        """The right choices' numbers, checked. Shape: (E,) -> (E,), int64.

        Args:
            labels: One number an example.
            mask: Which tokens are there. Shape: (E, C, T); or (E, T), where each row is an example
                of a single choice.

        Raises:
            InputError: They are not one whole number an example, each from 0 to C - 1.
        """
        labels = super().targets(labels, mask)
        if labels.ndim != 1:
            raise InputError(
                f"labels of shape {tuple(labels.shape)} do not fit; give one number an example."
            )
        if labels.is_floating_point() or labels.is_complex() or labels.dtype == torch.bool:
            raise InputError(f"labels must be whole numbers, not {labels.dtype}.")
        n_choices = mask.shape[1] if mask.ndim == _WITH_CHOICES else 1
        wrong = labels[(labels < 0) | (labels >= n_choices)]
        if wrong.numel():
            raise InputError(
                f"the label {int(wrong[0])} is not the number of a choice; they are counted from 0 "
                f"to {n_choices - 1}, as input_ids of shape (examples, choices, tokens) says."
            )
        return labels.long()

    def loss(self, output: HeadOutput, targets: Tensor) -> Tensor:
        """Mean cross entropy over each example's own choices, in float32. Shape: ()."""
        logits_EC = logits_of(output).float()
        return functional.cross_entropy(logits_EC, targets.to(logits_EC.device))

    def decode(self, output: HeadOutput, encoded: Sequence[Encoded]) -> list[Prediction]:
        """The most probable choice of each example; the first of equal ones.

        Raises:
            InputError: The logits are not finite.
        """
        probabilities_EC = choice_logits(output, encoded).softmax(dim=1)
        return [
            _prediction(item, row[: len(item.rows)])
            for item, row in zip(encoded, probabilities_EC.tolist(), strict=True)
        ]

    def metrics(self) -> MultipleChoiceMetrics:
        """A fresh collector of accuracy."""
        return MultipleChoiceMetrics()


def _target(example: MultipleChoiceExample, index: int) -> Tensor | None:
    try:
        number = example.right_choice()
    except InputError as error:
        raise InputError(error.reason, index=index) from None
    return None if number is None else torch.tensor([number])


def _rows(examples: Sequence[MultipleChoiceExample], tokenizer: Tokenizer) -> list[Row]:
    """A row for each choice of each example, one after the other."""
    pairs = [
        (choice, None) if example.text is None else (example.text, choice)
        for example in examples
        for choice in example.choices
    ]
    try:
        return tokenizer.rows([first for first, _ in pairs], [second for _, second in pairs])
    except InputError as error:
        if error.index is None:
            raise
        ends = list(accumulate(len(example.choices) for example in examples))
        index = next(number for number, end in enumerate(ends) if error.index < end)
        choice = error.index - (ends[index] - len(examples[index].choices))
        raise InputError(f"choice {choice}: {error.reason}", index=index) from None


def _prediction(item: Encoded, probabilities: list[float]) -> MultipleChoicePrediction:
    example = cast("MultipleChoiceExample", item.example)
    choice = max(range(len(probabilities)), key=probabilities.__getitem__)
    return MultipleChoicePrediction(
        choice=choice,
        text=example.choices[choice],
        score=probabilities[choice],
        probabilities=tuple(probabilities),
    )
