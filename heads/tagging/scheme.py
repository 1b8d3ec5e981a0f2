"""What tags say about entities.

In `bio`, B-type begins an entity and I-type goes on with it. In `bioes`, E-type ends it too, and
S-type is an entity of one word. O stands for no entity. Tags of other kinds, such as parts of
speech, are `plain`: they say nothing about entities.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final, Literal

__all__ = ["OUTSIDE", "Scheme", "described", "is_tag_of", "scheme_of", "tags_of_types"]

Scheme = Literal["bio", "bioes", "plain"]

OUTSIDE: Final = "O"
"""The tag of words that are in no entity."""

_PREFIXES: Final[Mapping[Scheme, str]] = {"bio": "BI", "bioes": "BIES"}


def scheme_of(tags: Collection[str]) -> Scheme:
    """The scheme that all of `tags` follow.

    Raises:
        ValueError: Some are of `bio` or `bioes`, and others are not.
    """
    for scheme in _PREFIXES:
        if all(is_tag_of(tag, scheme) for tag in tags) and set(tags) != {OUTSIDE}:
            return scheme
    if OUTSIDE in tags and any(tag.startswith("B-") for tag in tags):
        odd = next(tag for tag in tags if not is_tag_of(tag, "bioes"))
        raise ValueError(
            f"the tag {odd!r} is none of {described('bioes')}, as the others are; give "
            "scheme='plain' if these tags stand for no entities"
        )
    return "plain"


def is_tag_of(tag: str, scheme: Scheme) -> bool:
    """Whether `tag` can stand in texts that are tagged by `scheme`."""
    if scheme == "plain" or tag == OUTSIDE:
        return True
    prefix, dash, entity_type = tag.partition("-")
    return bool(dash and entity_type) and len(prefix) == 1 and prefix in _PREFIXES[scheme]


def tags_of_types(entity_types: Collection[str], scheme: Scheme) -> tuple[str, ...]:
    """All tags that texts with entities of these types can have: O first, then type by type."""
    prefixes = _PREFIXES[scheme]
    return (OUTSIDE, *(f"{prefix}-{name}" for name in sorted(entity_types) for prefix in prefixes))


def described(scheme: Scheme) -> str:
    """The tags of a scheme for a message: "O, B-type and I-type"."""
    if scheme == "plain":
        return "any"
    *others, last = [OUTSIDE, *(f"{prefix}-type" for prefix in _PREFIXES[scheme])]
    return f"{', '.join(others)} and {last}"
