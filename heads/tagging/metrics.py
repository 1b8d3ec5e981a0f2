"""How good the answers of a tagging head are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from polyhead.contracts import Metrics, targets_of
from polyhead.errors import InputError, MissingExtraError
from polyhead.heads.logits import checked_logits
from polyhead.heads.tagging.aggregation import tagged_texts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from polyhead.contracts import Encoded, HeadOutput
    from polyhead.heads.tagging.aggregation import Strategy
    from polyhead.heads.tagging.grammar import Grammar

__all__ = ["EntityMetrics", "TagMetrics"]


class TagMetrics(Metrics):
    """The share of words with the right tag: for plain tags."""

    primary = "accuracy"

    def __init__(
        self, labels: Sequence[str], aggregation: Strategy, grammar: Grammar | None = None
    ) -> None:
        """Makes an empty collector.

        Args:
            labels: The names of the tags.
            aggregation: How sub-words make a word's tag; where it tags sub-words, the first counts.
            grammar: What the tags of a text must keep to, if anything.
        """
        self._labels = labels
        self._grammar = grammar
        self._aggregation: Strategy = "first" if aggregation in {"none", "simple"} else aggregation
        self._answers: list[list[str]] = []
        self._targets: list[list[str]] = []

    def update(self, output: HeadOutput, encoded: Sequence[Encoded]) -> None:
        """Takes in a batch's logits, (N, K), and its labelled examples.

        Raises:
            InputError: An example has no tags, or the logits are not finite.
        """
        targets_N = targets_of(encoded)
        probabilities_NK = checked_logits(output, "token").softmax(dim=1)
        parts = torch.split(targets_N, [item.n_tokens for item in encoded])
        texts = tagged_texts(probabilities_NK, encoded, self._aggregation, self._grammar)
        for targets, text in zip(parts, texts, strict=True):
            firsts = [text.sub_words.tokens[start] for start in text.sub_words.starts]
            self._targets.append(self._named(targets[firsts].tolist()))
            self._answers.append(self._named(text.tags))

    def compute(self) -> dict[str, float]:
        """`accuracy` over all words.

        Raises:
            InputError: There was no example.
        """
        if not self._targets:
            raise InputError("there are no labelled examples to evaluate on.")
        pairs = [
            (target, answer)
            for targets, answers in zip(self._targets, self._answers, strict=True)
            for target, answer in zip(targets, answers, strict=True)
        ]
        return {"accuracy": sum(target == answer for target, answer in pairs) / len(pairs)}

    def _named(self, numbers: Sequence[int]) -> list[str]:
        return [self._labels[number] for number in numbers]


class EntityMetrics(TagMetrics):
    """How many entities were found and right, with both borders and the type."""

    primary = "f1"

    def compute(self) -> dict[str, float]:
        """`f1`, `precision` and `recall` over the entities of all types, and `accuracy` over words.

        They are those of seqeval where no mode is given; 0 where there is nothing to find or
        nothing was found.

        Raises:
            InputError: There was no example.
            MissingExtraError: seqeval is not installed.
        """
        accuracy = super().compute()
        try:
            # it brings scikit-learn, a second to import, and prediction never needs it
            from seqeval.metrics.sequence_labeling import (  # noqa: PLC0415
                precision_recall_fscore_support,
            )
        except ImportError as error:
            raise MissingExtraError("seqeval", "train", "evaluation") from error
        precision, recall, f1, _ = precision_recall_fscore_support(
            self._targets, self._answers, average="micro", zero_division=0
        )
        return {
            "f1": float(f1),
            "precision": float(precision),
            "recall": float(recall),
            **accuracy,
        }
