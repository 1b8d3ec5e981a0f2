"""How much of a text, or of a pair of texts, a row keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from polyhead.errors import InputError, shown

if TYPE_CHECKING:
    from polyhead.tokenizer.settings import TextSettings

__all__ = ["kept_lengths"]

_LEAST_OF_A_PAIR: Final = 2  # one token of each text


def kept_lengths(
    settings: TextSettings, n_first: int, n_second: int | None, text: str
) -> tuple[int, int]:
    """How many tokens of each text are kept, from its beginning.

    Args:
        settings: How long a row may be, and which text gives way.
        n_first: Tokens of the first text.
        n_second: Tokens of the second, or None where there is none.
        text: The first text, for messages.

    Returns:
        Those of the first and of the second; 0 of a text that is not there.

    Raises:
        InputError: They do not fit, and the settings allow no cut that would make them fit.
    """
    n_other = n_second or 0
    room = settings.max_length - (2 if n_second is None else 3)
    excess = n_first + n_other - room
    if excess <= 0:
        return n_first, n_other
    if n_second is not None and room < _LEAST_OF_A_PAIR:
        raise InputError(
            f"max_length {settings.max_length} leaves no room for a pair of texts; the least is 5."
        )
    match settings.truncation:
        case "longest_first":
            return _cut_longest(n_first, n_other, room)
        case "only_first" if excess < n_first:
            return n_first - excess, n_other
        case "only_second" if excess < n_other:
            return n_first, n_other - excess
        case "only_first" | "only_second":
            which = "first" if settings.truncation == "only_first" else "second"
            raise InputError(
                f"the pair has {excess} tokens too many, more than its {which} text has; raise "
                "max_length or choose truncation='longest_first'."
            )
        case "refuse":
            raise InputError(
                f"the text {shown(text)} has {n_first + n_other} tokens and {room} fit; shorten "
                "it, raise max_length or choose truncation='longest_first'."
            )


def _cut_longest(n_first: int, n_second: int, room: int) -> tuple[int, int]:
    """Takes tokens from the longer text until both fit; neither is left without any."""
    half = room // 2
    if n_first <= half:
        return n_first, room - n_first if n_second else 0
    if n_second <= half:
        return min(n_first, room - n_second), n_second
    return room - half, half
