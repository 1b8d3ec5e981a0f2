"""The configuration of a multi-label head, and what of it the examples tell."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Self

from pydantic import BeforeValidator, Field, model_validator

from polyhead.contracts import validate_config
from polyhead.errors import InputError, listing
from polyhead.heads.labels import LabelNames, LabelWeights, check_known, check_labelled
from polyhead.heads.multilabel.example import MultilabelExample
from polyhead.heads.pooled_layers import PooledHeadConfig

__all__ = ["EVEN", "MultilabelHeadConfig", "configure_from_examples"]

EVEN: Final = 0.5
"""The threshold of a label for which none is given."""


def _check_threshold(value: object) -> object:
    """Before pydantic's own check of the union, which names every branch that fails."""
    numbers = list(value.values()) if isinstance(value, Mapping) else [value]
    for number in numbers:
        if not isinstance(number, int | float) or not 0 < number < 1:
            raise ValueError("must be a number between 0 and 1, or a mapping of labels to such")
    return value


class MultilabelHeadConfig(PooledHeadConfig):
    """Any number of labels, also none, for a text or a pair of texts."""

    labels: LabelNames = Field(
        min_length=1, description="The labels' names, in the order of the logits."
    )
    threshold: Annotated[float | dict[str, float], BeforeValidator(_check_threshold)] = Field(
        default=EVEN,
        description="The probability from which on a label is chosen: one for all, or a mapping of "
        "labels to theirs, with 0.5 for those it leaves out.",
    )
    pos_weight: LabelWeights | None = Field(
        default=None,
        description="Weight in the loss of the texts that have a label against those that have it "
        "not, for each label in their order.",
    )

    @model_validator(mode="after")
    def _fits_the_labels(self) -> Self:
        if self.pos_weight is not None and len(self.pos_weight) != len(self.labels):
            raise ValueError(
                f"there are {len(self.pos_weight)} pos_weight for {len(self.labels)} labels"
            )
        if isinstance(self.threshold, Mapping):
            unknown = sorted(set(self.threshold) - set(self.labels))
            if unknown:
                raise ValueError(
                    f"threshold names the label {unknown[0]!r}, which is not among the labels: "
                    f"{listing(self.labels)}"
                )
        return self

    @property
    def thresholds(self) -> tuple[float, ...]:
        """Each label's threshold, in the order of the labels."""
        if isinstance(self.threshold, Mapping):
            return tuple(self.threshold.get(label, EVEN) for label in self.labels)
        return (self.threshold,) * len(self.labels)


def configure_from_examples(
    options: Mapping[str, Any], examples: Sequence[MultilabelExample]
) -> MultilabelHeadConfig:
    """The config that `options` give, completed from labelled examples.

    Labels that are not given are those of the examples, sorted. A `pos_weight` given as "balanced"
    becomes the number of examples without a label by that with it.

    Raises:
        ConfigError: An option is unknown or out of range.
        InputError: The examples lack labels, have all the same, or have one that is not given.
    """
    fields = dict(options)
    is_given = fields.get("labels") is not None
    counts = Counter[str]() if is_given and not examples else _count_labels(examples)
    if not is_given:
        fields["labels"] = tuple(sorted(counts))
    is_balanced = fields.get("pos_weight") == "balanced"
    if is_balanced:
        fields["pos_weight"] = None
    config = validate_config(MultilabelHeadConfig, fields, "head kind 'multilabel'")
    check_known((example.labels or () for example in examples), config.labels)
    if not is_balanced:
        return config
    weights = _balanced(config.labels, counts, len(examples))
    return config.model_copy(update={"pos_weight": weights})


def _count_labels(examples: Sequence[MultilabelExample]) -> Counter[str]:
    """How many examples have each label."""
    found = [example.labels for example in examples]
    check_labelled(found, "multilabel")
    sets = {frozenset(labels) for labels in found if labels is not None}
    if len(sets) == 1:
        same = sorted(next(iter(sets)))
        has = f"the labels {listing(same)}" if same else "an empty list of labels"
        raise InputError(
            f"all {len(examples)} training examples have {has}; a multilabel task learns from "
            "different ones."
        )
    return Counter(label for labels in found for label in labels or ())


def _balanced(labels: Sequence[str], counts: Counter[str], n_examples: int) -> tuple[float, ...]:
    for label in labels:
        if counts[label] in {0, n_examples}:
            which = "no" if not counts[label] else "every"
            raise InputError(
                f"{which} training example has the label {label!r}, so pos_weight='balanced' "
                "cannot weigh it; add other examples, or give the weights as numbers."
            )
    return tuple((n_examples - counts[label]) / counts[label] for label in labels)
