"""How good the answers of a tagging head are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from polyhead.contracts import Metrics, targets_of
from polyhead.errors import InputError, MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from polyhead.contracts import Encoded, HeadOutput
    from polyhead.heads.tagging.word_tags import WordTagHead

__all__ = ["EntityMetrics", "TagMetrics"]


class TagMetrics(Metrics):
    """The share of words with the right tag: for plain tags."""

    primary = "accuracy"

    def __init__(self, head: WordTagHead) -> None:
        """Makes an empty collector.

        Args:
            head: Whose answers it collects.
        """
        self._head = head
        self._answers: list[list[str]] = []
        self._targets: list[list[str]] = []

    def update(self, output: HeadOutput, encoded: Sequence[Encoded]) -> None:
        """Takes in a batch's logits, (N, K), and its labelled examples.

        Raises:
            InputError: An example has no tags, or the logits are not finite.
        """
        targets = torch.split(targets_of(encoded), [item.n_tokens for item in encoded])
        for target, text in zip(targets, self._head.tagged_words(output, encoded), strict=True):
            self._targets.append(self._named(self._head.tags_in(target, text.sub_words)))
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
        return [self._head.config.labels[number] for number in numbers]


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
