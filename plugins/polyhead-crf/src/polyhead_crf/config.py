"""The configuration of a CRF head."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from polyhead.heads import WordTagHeadConfig

__all__ = ["CRFHeadConfig"]


class CRFHeadConfig(WordTagHeadConfig):
    """One tag for each word of a text, chosen for all words together."""

    aggregation: Literal["first", "average"] = Field(
        default="average",
        description="Whose scores a word has: those of its 'first' sub-word, or the 'average' over "
        "all of them.",
    )
    follows_scheme: bool = Field(
        default=True,
        description="Whether tags that the scheme forbids to follow one another (an I-type but "
        "behind a B-type or I-type) have no probability, in training and in answers.",
    )
