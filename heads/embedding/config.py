"""The configuration of an embedding head, and what of it the examples tell."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, Self

from pydantic import Field, model_validator

from polyhead.contracts import HeadConfig, validate_config
from polyhead.errors import InputError
from polyhead.heads.embedding.example import EmbeddingExample

__all__ = ["EmbeddingHeadConfig", "configure_from_pairs"]

_SCORED: Final = "cosent"
"""The loss of scored pairs where none is asked for."""


class EmbeddingHeadConfig(HeadConfig):
    """One vector a text, whose direction says what the text is about."""

    pooling: Literal["mean", "cls", "max"] = Field(
        default="mean",
        description="How a text becomes one vector: the mean or the largest value over its tokens, "
        "or its first token.",
    )
    projection: int | None = Field(
        default=None,
        ge=1,
        le=65536,
        description="Width of a linear layer without bias behind it; None for none.",
    )
    normalise: bool = Field(
        default=True, description="Whether embeddings have length 1; cosines are the same."
    )
    dropout: float = Field(
        default=0.0, ge=0, lt=1, description="Dropout of the pooled vector, in training."
    )
    loss: Literal["in_batch", "cosent", "cosine"] = Field(
        default="in_batch",
        description="What pairs teach: 'in_batch', without scores, to tell a text's own partner "
        "from those of the batch; with scores 'cosent', their order, or 'cosine', their values.",
    )
    scale: float = Field(
        default=20.0, gt=0, description="Factor of the cosines in 'in_batch' and 'cosent'."
    )
    symmetric: bool = Field(
        default=False,
        description="Whether under 'in_batch' the second texts search the first ones as well.",
    )
    score_range: tuple[float, float] | None = Field(
        default=None,
        description="The scores that mean the cosines 0 and 1 under 'cosine'; training scores "
        "outside are refused.",
    )

    @model_validator(mode="after")
    def _rising_range(self) -> Self:
        if self.score_range is not None and self.score_range[0] >= self.score_range[1]:
            raise ValueError("score_range goes from the lowest score to the highest, as in (0, 5)")
        if self.score_range is None and self.loss == "cosine":
            raise ValueError("loss='cosine' needs a score_range, such as (0, 5)")
        return self

    @property
    def is_scored(self) -> bool:
        """Whether it learns from scored pairs."""
        return self.loss != "in_batch"


def configure_from_pairs(
    options: Mapping[str, Any], examples: Sequence[EmbeddingExample]
) -> EmbeddingHeadConfig:
    """The config that `options` give, completed from pairs.

    A loss that is not given follows from whether the pairs have scores. A score range that is not
    given and needed reaches to the whole numbers around the scores.

    Raises:
        ConfigError: An option is unknown or out of range.
        InputError: The examples do not make a task.
    """
    fields = dict(options)
    n_scored = sum(example.label is not None for example in examples)
    if fields.get("loss") is None:
        fields["loss"] = _SCORED if n_scored else "in_batch"
    scores = [example.label for example in examples if example.label is not None]
    if fields["loss"] == "cosine" and fields.get("score_range") is None and scores:
        fields["score_range"] = _whole_range(scores)
    config = validate_config(EmbeddingHeadConfig, fields, "head kind 'embedding'")
    if examples:
        _check_pairs(examples)
        _check_scores(config, examples) if n_scored else _check_unscored(config, examples)
    return config


def _whole_range(scores: Sequence[float]) -> tuple[float, float]:
    low = math.floor(min(scores))
    return float(low), float(max(math.ceil(max(scores)), low + 1))


def _check_pairs(examples: Sequence[EmbeddingExample]) -> None:
    alone = [number for number, example in enumerate(examples) if example.text_pair is None]
    if alone:
        raise InputError(
            f"there is no second text, as in {len(alone)} of {len(examples)} training examples; an "
            "embedding task learns from pairs, text and text_pair. To embed texts without "
            "training, add the task and leave it as it is.",
            index=alone[0],
        )


def _check_scores(config: EmbeddingHeadConfig, examples: Sequence[EmbeddingExample]) -> None:
    scores = [example.label for example in examples if example.label is not None]
    if len(scores) < len(examples):
        places = [number for number, example in enumerate(examples) if example.label is None]
        raise InputError(
            f"{len(scores)} of {len(examples)} training pairs have a score, and this one has none; "
            "give all of them one, or none.",
            index=places[0],
        )
    if not config.is_scored:
        raise InputError(
            f"{len(scores)} of {len(examples)} training pairs have a score, and loss='in_batch' "
            "takes every pair for texts that belong together; leave out the pairs that do not and "
            "all scores, or choose loss='cosent'."
        )
    if len(set(scores)) == 1:
        raise InputError(
            f"all {len(scores)} training pairs have the score {scores[0]:g}; an embedding task "
            "needs at least two different ones, or none."
        )
    if config.score_range is not None:
        low, high = config.score_range
        for number, score in enumerate(scores):
            if not low <= score <= high:
                raise InputError(
                    f"the score {score:g} is outside score_range {low:g} to {high:g}; correct it, "
                    "or give another range.",
                    index=number,
                )


def _check_unscored(config: EmbeddingHeadConfig, examples: Sequence[EmbeddingExample]) -> None:
    if config.is_scored:
        raise InputError(
            f"the training pairs have no scores, and loss={config.loss!r} learns from them; add "
            "them as 'label', or choose loss='in_batch'."
        )
    n_seconds = len({example.text_pair for example in examples})
    if n_seconds == 1 and not any(example.negatives for example in examples):
        raise InputError(
            "the training pairs have one second text among them and no negatives, so there is no "
            "wrong answer to learn from; add other pairs."
        )
