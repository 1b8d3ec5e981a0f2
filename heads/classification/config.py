"""The configuration of a classification head, and what of it the examples tell."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Self

from pydantic import Field, model_validator

from polyhead.contracts import validate_config
from polyhead.errors import InputError
from polyhead.heads.labels import LabelNames, LabelWeights, check_known, check_labelled
from polyhead.heads.pooled_layers import PooledHeadConfig
from polyhead.heads.text_example import TextExample

__all__ = ["ClassificationHeadConfig", "configure_from_examples"]


class ClassificationHeadConfig(PooledHeadConfig):
    """One label out of several, for a text or a pair of texts."""

    labels: LabelNames = Field(
        min_length=2, description="The labels' names, in the order of the logits."
    )
    class_weights: LabelWeights | None = Field(
        default=None, description="Weight of each label in the loss, in the order of the labels."
    )

    @model_validator(mode="after")
    def _one_weight_a_label(self) -> Self:
        if self.class_weights is not None and len(self.class_weights) != len(self.labels):
            raise ValueError(
                f"there are {len(self.class_weights)} class_weights for {len(self.labels)} labels"
            )
        return self


def configure_from_examples(
    options: Mapping[str, Any], examples: Sequence[TextExample]
) -> ClassificationHeadConfig:
    """The config that `options` give, completed from labelled examples.

    Labels that are not given are those of the examples, sorted. Class weights given as "balanced"
    become n / (k * count): every label then has the same share of the loss.

    Raises:
        ConfigError: An option is unknown or out of range.
        InputError: The examples lack labels, have only one, or have one that is not given.
    """
    fields = dict(options)
    is_given = fields.get("labels") is not None
    counts = Counter[str]() if is_given and not examples else _count_labels(examples)
    if not is_given:
        fields["labels"] = tuple(sorted(counts))
    is_balanced = fields.get("class_weights") == "balanced"
    if is_balanced:
        fields["class_weights"] = None
    config = validate_config(ClassificationHeadConfig, fields, "head kind 'classification'")
    check_known(([example.label or ""] for example in examples), config.labels)
    if not is_balanced:
        return config
    weights = _balanced(config.labels, counts)
    return config.model_copy(update={"class_weights": weights})


def _count_labels(examples: Sequence[TextExample]) -> Counter[str]:
    """How many examples have each label."""
    labels = [example.label for example in examples]
    check_labelled(labels, "classification")
    counts = Counter(label for label in labels if label is not None)
    if len(counts) == 1:
        raise InputError(
            f"all {len(examples)} training examples have the label {next(iter(counts))!r}; a "
            "classification task needs at least two different ones."
        )
    return counts


def _balanced(labels: Sequence[str], counts: Counter[str]) -> tuple[float, ...]:
    missing = [label for label in labels if not counts[label]]
    if missing:
        raise InputError(
            f"no training example has the label {missing[0]!r}, so class_weights='balanced' cannot "
            "weigh it; add examples of it, or give the weights as numbers."
        )
    return tuple(counts.total() / (len(labels) * counts[label]) for label in labels)
