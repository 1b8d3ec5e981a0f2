"""What a tagging head answers."""

from __future__ import annotations

from statistics import fmean
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

from polyhead.contracts import Prediction
from polyhead.heads.tagging.entities import entities_in
from polyhead.heads.tagging.scheme import OUTSIDE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from polyhead.heads.tagging.aggregation import TaggedText
    from polyhead.heads.tagging.example import TaggingExample
    from polyhead.heads.tagging.scheme import Scheme

__all__ = ["FoundEntity", "TaggingPrediction", "prediction_of"]


class FoundEntity(BaseModel):
    """One entity of a text."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    label: str = Field(description="What it is.")
    text: str = Field(description="Its part of the text.")
    start: int = Field(description="Its first character, counted from 0.")
    end: int = Field(description="The character after its last.")
    score: float = Field(description="The mean probability of its words' tags.")


class TaggingPrediction(Prediction):
    """The entities and the words of one text.

    The lists from `words` on are as long as one another. Characters are those of the text or, where
    the example was given as words, of the words with a space between.
    """

    entities: list[FoundEntity] = Field(description="Its entities, in order; none for plain tags.")
    words: list[str] = Field(description="Each word.")
    tags: list[str] = Field(description="Its most probable tag.")
    scores: list[float] = Field(description="The probability of that tag.")
    starts: list[int] = Field(description="The word's first character, counted from 0.")
    ends: list[int] = Field(description="The character after its last.")

    def __str__(self) -> str:
        if self.entities:
            return ", ".join(f"{entity.text} ({entity.label})" for entity in self.entities)
        if all(tag == OUTSIDE for tag in self.tags):
            return "no entities"
        return " ".join(f"{word}/{tag}" for word, tag in zip(self.words, self.tags, strict=True))


def prediction_of(
    example: TaggingExample, answer: TaggedText, labels: Sequence[str], scheme: Scheme
) -> TaggingPrediction:
    """The answer for one text.

    Args:
        example: The text.
        answer: Its tags, by number.
        labels: The names of the tags.
        scheme: What they say about entities.
    """
    text = example.content
    sub_words = answer.sub_words
    spans = sub_words.words_of(example) if answer.by_word else sub_words.spans(answer.starts)
    tags = [labels[number] for number in answer.tags]
    return TaggingPrediction(
        entities=_entities(text, tags, spans, answer.scores, scheme),
        words=[text[start:end] for start, end in spans],
        tags=tags,
        scores=list(answer.scores),
        starts=[start for start, _ in spans],
        ends=[end for _, end in spans],
    )


def _entities(
    text: str,
    tags: Sequence[str],
    spans: Sequence[tuple[int, int]],
    scores: Sequence[float],
    scheme: Scheme,
) -> list[FoundEntity]:
    found = []
    for entity_type, first, stop in entities_in(tags, scheme):
        start, end = spans[first][0], spans[stop - 1][1]
        score = fmean(scores[first:stop])
        found.append(
            FoundEntity(label=entity_type, text=text[start:end], start=start, end=end, score=score)
        )
    return found
