"""The configuration of a classification head, and what of it the examples tell."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, field_validator, model_validator

from polyhead.contracts import HeadConfig, check_activation, validate_config
from polyhead.errors import InputError, listing
from polyhead.heads.text_example import Label, TextExample

__all__ = ["ClassificationHeadConfig", "configure_from_examples"]


class ClassificationHeadConfig(HeadConfig):
    """One label out of several, for a text or a pair of texts."""

    labels: tuple[Label, ...] = Field(
        min_length=2, description="The labels' names, in the order of the logits."
    )
    layers: int = Field(
        default=2, ge=1, le=16, description="Linear layers; all but the last keep the width."
    )
    activation: Annotated[str, AfterValidator(check_activation)] = Field(
        default="tanh", description="Activation behind each layer but the last."
    )
    dropout: float = Field(
        default=0.1, ge=0, lt=1, description="Dropout in front of each layer, in training."
    )
    pooling: Literal["mean", "max", "cls"] = Field(
        default="mean",
        description="How a text becomes one vector: the mean or the largest value over its tokens, "
        "or its first token as in BERT's and DistilBERT's own classifiers.",
    )
    class_weights: tuple[Annotated[float, Field(gt=0)], ...] | None = Field(
        default=None, description="Weight of each label in the loss, in the order of the labels."
    )
    bias: bool = Field(default=True, description="Whether the last layer has a bias.")

    @field_validator("labels")
    @classmethod
    def _unique(cls, labels: tuple[str, ...]) -> tuple[str, ...]:
        twice = [label for label, count in Counter(labels).items() if count > 1]
        if twice:
            raise ValueError(f"the label {twice[0]!r} is there twice")
        return labels

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
    unknown = sorted(counts.keys() - set(config.labels))
    if unknown:
        raise InputError(
            f"the data has the label {unknown[0]!r}, which is not among the given ones: "
            f"{listing(config.labels)}."
        )
    if not is_balanced:
        return config
    weights = _balanced(config.labels, counts)
    return config.model_copy(update={"class_weights": weights})


def _count_labels(examples: Sequence[TextExample]) -> Counter[str]:
    """How many examples have each label."""
    n_unlabelled = sum(example.label is None for example in examples)
    if n_unlabelled:
        raise InputError(
            f"{n_unlabelled} of {len(examples)} training examples have no label; a classification "
            "task learns from labels."
        )
    counts = Counter(example.label for example in examples if example.label is not None)
    if not counts:
        raise InputError("there are no training examples to take labels from.")
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
