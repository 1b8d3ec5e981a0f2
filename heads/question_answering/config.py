"""The configuration of a question answering head, and what of it the examples tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field

from polyhead.contracts import HeadConfig, validate_config
from polyhead.contracts.config import HiddenSource
from polyhead.errors import InputError
from polyhead.heads.question_answering.example import QuestionAnsweringExample

__all__ = ["QuestionAnsweringHeadConfig", "configure_from_examples"]


class QuestionAnsweringHeadConfig(HeadConfig):
    """The part of a text that answers a question."""

    hidden: HiddenSource = Field(
        default="mix",
        description="What the head reads: the last layer, one layer by its number (0 for the "
        "embeddings), or 'mix', a learned mix of all of them.",
    )
    null_answers: bool = Field(
        default=False, description="Whether 'the text has no answer' is an answer."
    )
    null_threshold: float = Field(
        default=0.0,
        description="With null_answers: by how much the score of no answer must exceed that of the "
        "best span; evaluation reports the best value as best_threshold.",
    )
    overlap: int = Field(
        default=64,
        ge=0,
        description="Sub-words that a window of a long context shares with the one before; at most "
        "half of a window is used.",
    )
    max_answer_length: int = Field(
        default=30, ge=1, le=512, description="Most sub-words of an answer."
    )
    n_best: int = Field(
        default=5, ge=1, le=100, description="Most spans that are returned for a question."
    )
    align_to_words: bool = Field(
        default=True,
        description="Whether answers are made of whole words; switch it off for languages written "
        "without spaces, and for answers that are parts of words.",
    )
    dropout: float = Field(
        default=0.1, ge=0, lt=1, description="Dropout in front of the layer, in training."
    )


def configure_from_examples(
    options: Mapping[str, Any], examples: Sequence[QuestionAnsweringExample]
) -> QuestionAnsweringHeadConfig:
    """The config that `options` give, completed from labelled examples.

    Where `null_answers` is not given, it is on if the answers of an example are an empty list.

    Raises:
        ConfigError: An option is unknown or out of range.
        InputError: Answers are not known, or empty where `null_answers` is given as off.
    """
    n_unlabelled = sum(example.answers is None for example in examples)
    if n_unlabelled:
        raise InputError(
            f"{n_unlabelled} of {len(examples)} training examples have no answers; a question "
            "answering task learns from answers, or from an empty list where there is none."
        )
    null_places = [number for number, example in enumerate(examples) if not example.answers]
    fields = dict(options)
    if fields.get("null_answers") is None:
        fields["null_answers"] = bool(null_places)
    config = validate_config(QuestionAnsweringHeadConfig, fields, "head kind 'question_answering'")
    if null_places and not config.null_answers:
        raise InputError(
            f"the list of answers is empty, as in {len(null_places)} of {len(examples)} training "
            "examples, and null_answers is off; leave these out, or switch it on.",
            index=null_places[0],
        )
    return config
