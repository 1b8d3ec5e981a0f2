"""How long the rows of one call may be and become: truncation and padding, checked."""

from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Literal, cast

from polyhead.distilbert.tokenization.options import NO_LIMIT, Side
from polyhead.errors import ConfigError, shown

__all__ = ["Limits", "Padding", "Truncation", "read_limits"]

Padding = Literal["longest", "max_length"]
Truncation = Literal["longest_first", "only_first", "only_second"]

_LOG = logging.getLogger(__name__)
_LARGE = NO_LIMIT // 10**10
"""Above it a `model_max_length` says that there is no limit."""


@dataclass(frozen=True)
class Limits:
    """What one call asks for.

    Attributes:
        padding: To which length rows are padded; None for not at all.
        truncation: Which text loses the tokens that do not fit; None for none.
        max_length: Most tokens of a row, where `padding` or `truncation` needs it.
        stride: How many tokens a row's overflow shares with what is before it.
        multiple: Padded lengths are a multiple of it.
        padding_side: Where padding goes.
        truncation_side: Where tokens are taken.
    """

    padding: Padding | None
    truncation: Truncation | None
    max_length: int | None
    stride: int = 0
    multiple: int | None = None
    padding_side: Side = "right"
    truncation_side: Side = "right"


def read_limits(
    padding: object,
    truncation: object,
    max_length: object,
    *,
    model_max_length: int,
    stride: object = 0,
    multiple: object = None,
    padding_side: object = "right",
    truncation_side: object = "right",
    verbose: bool = True,
) -> Limits:
    """What the arguments of a call mean, as the documents say.

    Args:
        padding: False, True, "longest", "max_length" or "do_not_pad".
        truncation: None, False, True, "longest_first", "only_first", "only_second" or
            "do_not_truncate"; None truncates if there is a `max_length` and no padding.
        max_length: A number, or None for `model_max_length`.
        model_max_length: Most tokens that the model reads.
        stride: Tokens shared with the overflow.
        multiple: `pad_to_multiple_of`.
        padding_side: "left" or "right".
        truncation_side: "left" or "right".
        verbose: Whether to log what has no effect.

    Raises:
        ConfigError: One is none of these, or they contradict one another.
    """
    limit = None if max_length is None else _whole(max_length, "max_length", least=0)
    if truncation is None and limit is not None and padding is False:
        truncation = "longest_first"
    pads = _choice(padding, "padding", ("longest", "max_length"), "do_not_pad")
    cuts = _choice(
        truncation, "truncation", ("longest_first", "only_first", "only_second"), "do_not_truncate"
    )
    if verbose and limit is not None and cuts is None and pads == "longest":
        _LOG.warning(
            "max_length has no effect with padding=True and without truncation; "
            "padding='max_length' pads to it, truncation=True keeps to it."
        )
    if limit is None and model_max_length > _LARGE:  # nobody knows a length to keep to
        if verbose and (cuts or pads == "max_length"):
            _LOG.warning(
                "rows are neither cut nor padded to a length: there is no max_length, and the "
                "tokenizer has no model_max_length."
            )
        cuts, pads = None, None if pads == "max_length" else pads
    elif limit is None and (cuts or pads == "max_length"):
        limit = model_max_length
    every = None if multiple is None else _whole(multiple, "pad_to_multiple_of", least=1)
    if cuts and pads and every and limit is not None and limit % every:
        raise ConfigError(
            f"rows are cut to max_length={limit}, which is no multiple of "
            f"pad_to_multiple_of={every}; choose another of the two."
        )
    return Limits(
        padding=cast("Padding | None", pads),
        truncation=cast("Truncation | None", cuts),
        max_length=limit,
        stride=_whole(stride, "stride", least=0),
        multiple=every,
        padding_side=_side(padding_side, "padding_side"),
        truncation_side=_side(truncation_side, "truncation_side"),
    )


def _choice(value: Any, name: str, choices: Collection[str], off: str) -> str | None:
    """One of `choices`; None for False, None and `off`; the first of them for True."""
    first = next(iter(choices))
    if isinstance(value, bool | None):
        return first if value else None
    # str(): the enumerations of transformers are strings, too
    text = str(getattr(value, "value", value)) if isinstance(value, str) else None
    if text == off:
        return None
    if text in choices:
        return text
    known = ", ".join(repr(choice) for choice in (*choices, off))
    raise ConfigError(f"{name} must be True, False, or one of {known}; not {shown(value)}.")


def _whole(value: object, name: str, *, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ConfigError(f"{name} must be a whole number from {least} on, not {shown(value)}.")
    return value


def _side(value: object, name: str) -> Side:
    if value == "left" or value == "right":  # noqa: PLR1714 - so that the type is known
        return value
    raise ConfigError(f"{name} must be 'left' or 'right', not {shown(value)}.")
