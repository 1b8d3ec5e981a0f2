"""Bars and highlighted texts, of which answers are made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from polyhead.serve.ui.markup import Markup, element, joined

__all__ = ["Bar", "Span", "bars", "marked"]

_SHOWN_BARS: Final = 8
_HUES: Final = 8


@dataclass(frozen=True)
class Bar:
    """A label with a number between 0 and 1; a cosine may be below.

    Attributes:
        label: What it is of.
        score: How long it is.
        is_chosen: Whether it is (part of) the answer.
        is_share: Whether the number is a probability, written in percent.
    """

    label: str
    score: float
    is_chosen: bool = False
    is_share: bool = True


@dataclass(frozen=True)
class Span:
    """A part of a text, in characters, with what is said of it.

    Attributes:
        start: Its first character.
        end: The character after its last.
        label: Written behind it.
        score: Shown to those who point at it.
        hue: Its colour's name; None for one that follows from the label.
    """

    start: int
    end: int
    label: str
    score: float | None = None
    hue: str | None = None


def bars(shown: Sequence[Bar]) -> Markup:
    """The bars in their order, all but the first few folded away."""
    first, rest = shown[:_SHOWN_BARS], shown[_SHOWN_BARS:]
    listed = element("ol", *map(_bar, first), class_="ph-bars")
    if not rest:
        return listed
    more = element("summary", f"{len(rest)} more")
    return joined(
        listed, element("details", more, element("ol", *map(_bar, rest), class_="ph-bars"))
    )


def marked(text: str, spans: Sequence[Span]) -> Markup:
    """The text with its parts highlighted; a part that overlaps one before it is left out."""
    labels = sorted({span.label for span in spans})
    hue_of = {label: str(number % _HUES) for number, label in enumerate(labels)}
    parts: list[object] = []
    end = 0
    for span in sorted(spans, key=lambda span: (span.start, span.end)):
        if not end <= span.start < span.end <= len(text):
            continue
        parts += [
            text[end : span.start],
            _mark(text[span.start : span.end], span, hue_of[span.label]),
        ]
        end = span.end
    return element("p", *parts, text[end:], class_="ph-text")


def _bar(bar: Bar) -> Markup:
    width = 100 * min(max(bar.score, 0.0), 1.0)
    number = f"{bar.score:.1%}" if bar.is_share else f"{bar.score:.3f}"
    fill = element("span", class_="ph-fill", style=f"width:{width:.1f}%")
    return element(
        "li",
        element("span", bar.label, class_="ph-label"),
        element("span", number, class_="ph-number"),
        element("span", fill, class_="ph-bar", aria_hidden="true"),
        class_="ph-chosen" if bar.is_chosen else None,
    )


def _mark(text: str, span: Span, hue: str) -> Markup:
    title = span.label if span.score is None else f"{span.label} {span.score:.1%}"
    label = element("span", span.label, class_="ph-tag")
    return element("mark", text, label, class_=f"ph-mark ph-hue-{span.hue or hue}", title=title)
