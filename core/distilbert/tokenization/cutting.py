"""Whether a row that is longer than it may be can be cut as asked."""

from __future__ import annotations

from collections.abc import Sequence

from polyhead.distilbert.tokenization.limits import Limits
from polyhead.errors import InputError

__all__ = ["check_cut"]

_NAMES = ("first text", "second text")


def check_cut(lengths: Sequence[int], room: int, limits: Limits) -> None:
    """Refuses a row that the library could not cut, with what stands in the way.

    Args:
        lengths: How many tokens its text has, or its two texts have.
        room: How many fit into a row, beside the special ones.
        limits: What the call asks for.

    Raises:
        InputError: The text that is to lose tokens is missing or has too few, or no more of it
            would stay than the stride asks to share.
    """
    excess = sum(lengths) - room
    if excess <= 0:
        return
    for length, kept, name in zip(lengths, _kept(lengths, excess, limits), _NAMES, strict=False):
        if kept < length and limits.stride and limits.stride >= kept:
            raise InputError(
                f"{kept} tokens of the {name} fit beside the other, and stride={limits.stride} is "
                "not less than that; raise max_length or lower stride."
            )


def _kept(lengths: Sequence[int], excess: int, limits: Limits) -> list[int]:
    """How many tokens of each text stay."""
    if limits.truncation == "longest_first":
        return _longest_first(lengths, sum(lengths) - excess)
    place = 0 if limits.truncation == "only_first" else 1
    if place >= len(lengths):
        raise InputError(
            f"the text is {excess} tokens too long and there is no second one, which alone is to "
            "be cut (truncation='only_second'); choose another truncation."
        )
    if lengths[place] <= excess:
        raise InputError(
            f"the row is {excess} tokens too long, and its {_NAMES[place]}, which alone is to be "
            f"cut, has {lengths[place]}; raise max_length or choose truncation='longest_first'."
        )
    return [length - excess * (n == place) for n, length in enumerate(lengths)]


def _longest_first(lengths: Sequence[int], room: int) -> list[int]:
    """What stays when the longer text loses tokens first, then both alike, as the library does it.

    Of an odd number the longer text, and of two equal ones the second, has one more.
    """
    if len(lengths) == 1:
        return [room]
    short, long = sorted(lengths)
    long = max(short, room - short)
    if short + long > room:
        short, long = room // 2, room - room // 2
    return [long, short] if lengths[0] > lengths[1] else [short, long]
