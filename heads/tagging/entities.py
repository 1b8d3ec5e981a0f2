"""Entities in tagged words, and tags for words in entities."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from polyhead.errors import InputError, shown
from polyhead.heads.tagging.scheme import OUTSIDE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from polyhead.heads.tagging.example import TaggingEntity
    from polyhead.heads.tagging.scheme import Scheme

__all__ = ["WordSpan", "entities_in", "tags_for"]


class WordSpan(NamedTuple):
    """One entity among words.

    Attributes:
        entity_type: What it is.
        start: Its first word.
        stop: The word after its last.
    """

    entity_type: str
    start: int
    stop: int


def entities_in(tags: Sequence[str], scheme: Scheme) -> list[WordSpan]:
    """The entities that the tags of one text stand for; none for plain tags.

    I or E goes on with an entity of its own type that B or I left open; anywhere else it begins
    one, as B and S always do. Answers need not follow the scheme, so every sequence is read.

    Source: conlleval of CoNLL-2000, as seqeval follows it where no mode is given.
    """
    if scheme == "plain":
        return []
    found: list[WordSpan] = []
    left_open = ""
    for place, tag in enumerate(tags):
        prefix, _, entity_type = tag.partition("-")
        if prefix in {"I", "E"} and entity_type == left_open:
            found[-1] = found[-1]._replace(stop=place + 1)
        elif tag != OUTSIDE:
            found.append(WordSpan(entity_type, place, place + 1))
        left_open = entity_type if prefix in {"B", "I"} else ""
    return found


def tags_for(
    entities: Sequence[TaggingEntity],
    words: Sequence[tuple[int, int]],
    text: str,
    scheme: Scheme,
) -> list[str]:
    """The tag of each word of a text whose entities are known.

    Args:
        entities: They do not overlap.
        words: Start and end of each word, in characters of the text.
        text: The text.
        scheme: Of the tags.

    Raises:
        InputError: An entity begins or ends within a word, or has none; or the scheme is plain.
    """
    if scheme == "plain":
        raise InputError(
            "the example has entities, and this head's tags are plain; train it with "
            "scheme='bio' or scheme='bioes', or give tags."
        )
    tags = [OUTSIDE] * len(words)
    place = 0
    for entity in sorted(entities, key=lambda entity: entity.start):
        while place < len(words) and words[place][1] <= entity.start:
            place += 1
        first = place
        while place < len(words) and words[place][0] < entity.end:
            place += 1
        _check_borders(entity, words[first:place], text)
        tags[first:place] = _tags_of_one(entity.label, place - first, scheme)
    return tags


def _check_borders(entity: TaggingEntity, words: Sequence[tuple[int, int]], text: str) -> None:
    named = f"the entity {shown(text[entity.start : entity.end])} ({entity.label})"
    if not words:
        raise InputError(f"{named} has no word in it.")
    for start, end in (words[0], words[-1]):
        if start < entity.start or end > entity.end:
            raise InputError(
                f"{named} begins or ends within the word {shown(text[start:end])}; move its start "
                "or end to where a word begins or ends."
            )


def _tags_of_one(entity_type: str, n_words: int, scheme: Scheme) -> Iterator[str]:
    last = n_words - 1
    for place in range(n_words):
        if scheme == "bioes" and place == last:
            prefix = "E" if place else "S"
        else:
            prefix = "I" if place else "B"
        yield f"{prefix}-{entity_type}"
