"""The configuration of a dependency head, and what of it the examples tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, model_validator

import polyhead as ph
from polyhead.heads import LabelNames
from polyhead_dependency.decoding import Decoding
from polyhead_dependency.example import DependencyExample
from polyhead_dependency.targets import unknown_relation
from polyhead_dependency.words import Pooling

__all__ = ["DependencyHeadConfig", "configure_from_examples"]


def _check_activation(name: str) -> str:
    ph.activation_of(name)
    return name.lower()


class DependencyHeadConfig(ph.HeadConfig):
    """The head of each word of a sentence, and the relation between the two."""

    labels: LabelNames = Field(
        min_length=1, description="The relations, in the order of their scores."
    )
    hidden: ph.HiddenSource = Field(
        default="mix",
        description="What the head reads: the last layer, one layer by its number (0 for the "
        "embeddings), or 'mix', a learned mix of all of them.",
    )
    pooling: Pooling = Field(
        default="mean",
        description="What stands for a word: the 'mean' of its sub-words, or the 'first' alone.",
    )
    context: int = Field(
        default=1,
        ge=0,
        le=16,
        description="Tokens on each side whose states are read beside a token's own.",
    )
    arc_width: int = Field(
        default=256,
        ge=0,
        le=4096,
        description="Size of the vectors that a word's head is chosen by; 0 for the hidden states "
        "themselves.",
    )
    relation_width: int = Field(
        default=128,
        ge=0,
        le=4096,
        description="Size of the vectors that an arc's relation is chosen by; 0 for the hidden "
        "states themselves, which goes with arc_width=0.",
    )
    activation: Annotated[str, AfterValidator(_check_activation)] = Field(
        default="gelu", description="Activation of those vectors."
    )
    dropout: float = Field(
        default=0.3,
        ge=0,
        lt=1,
        description="Dropout of the hidden states and of those vectors, in training.",
    )
    decoding: Decoding = Field(
        default="projective",
        description="Which heads may go together: the best 'projective' tree, whose arcs do not "
        "cross; the best tree at all, 'nonprojective'; or each word's likeliest head, 'greedy', "
        "which need not be a tree.",
    )
    root_relation: str | None = Field(
        default=None,
        description="The relation that the root has and no other word, found in the training "
        "examples where it is not given; None if there is no such.",
    )

    @model_validator(mode="after")
    def _both_widths(self) -> Self:
        if (self.arc_width == 0) != (self.relation_width == 0):
            raise ValueError(
                f"arc_width is {self.arc_width} and relation_width is {self.relation_width}; both "
                "are 0 or none is"
            )
        return self

    @model_validator(mode="after")
    def _known_root_relation(self) -> Self:
        if self.root_relation is not None and self.root_relation not in self.labels:
            raise ValueError(f"root_relation {self.root_relation!r} is none of the labels")
        return self


def configure_from_examples(
    options: Mapping[str, Any], examples: Sequence[DependencyExample]
) -> DependencyHeadConfig:
    """The config that `options` give, completed from labelled examples.

    Labels that are not given are all relations that occur, sorted. A root relation that is not
    given is the one that all roots have, if no other word has it.

    Raises:
        ConfigError: An option is unknown or out of range.
        InputError: An example has no tree, or a relation that is not among the given labels.
    """
    fields = dict(options)
    is_given = fields.get("labels") is not None
    if not (is_given and not examples):
        _check_labelled(examples)
    if not is_given:
        fields["labels"] = tuple(sorted({name for item in examples for name in item.deprels or ()}))
    config = ph.validate_config(DependencyHeadConfig, fields, "head kind 'dependency'")
    known = set(config.labels)
    for index, example in enumerate(examples):
        for name in example.deprels or ():
            if name not in known:
                raise ph.InputError(unknown_relation(name, config.labels), index=index)
    if "root_relation" in fields or not examples:
        return config
    return config.model_copy(update={"root_relation": _root_relation(examples)})


def _check_labelled(examples: Sequence[DependencyExample]) -> None:
    if not examples:
        raise ph.InputError("there are no training examples for a dependency task to learn from.")
    n_unlabelled = sum(example.heads is None for example in examples)
    if n_unlabelled:
        raise ph.InputError(
            f"{n_unlabelled} of {len(examples)} training examples have no heads; a dependency task "
            "learns from trees."
        )


def _root_relation(examples: Sequence[DependencyExample]) -> str | None:
    of_roots: set[str] = set()
    of_others: set[str] = set()
    for example in examples:
        for head, name in zip(example.heads or (), example.deprels or (), strict=True):
            (of_others if head else of_roots).add(name)
    is_clear = len(of_roots) == 1 and not of_roots & of_others
    return next(iter(of_roots)) if is_clear else None
