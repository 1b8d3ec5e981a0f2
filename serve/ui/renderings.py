"""Answers as HTML.

What an answer looks like decides how it is shown, not which class it is: a plug-in's head whose
answers have the fields of a built-in one's is shown the same way, and anything else as JSON.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from polyhead.serve.ui.markup import Markup, element, joined
from polyhead.serve.ui.pieces import Bar, Span, bars, marked
from polyhead.serve.ui.shapes import (
    ChoiceShape,
    EntitiesShape,
    LabelsShape,
    MasksShape,
    NumbersShape,
    SpanShape,
    VectorShape,
)

__all__ = ["rendered", "rendered_json"]

Example = Mapping[str, Any]
_FIRST_NUMBERS: Final = 8


def rendered(prediction: BaseModel, example: Example) -> Markup:
    """An answer as HTML, everything in it escaped.

    Args:
        prediction: The answer.
        example: The fields of what was asked.
    """
    fields = prediction.model_dump(mode="json")
    for shape, render in _RENDERINGS.items():
        try:
            found = shape.model_validate(fields)
        except ValidationError:
            continue
        return render(found, example)
    return rendered_json(fields)


def rendered_json(value: object) -> Markup:
    """A value as indented JSON."""
    text = json.dumps(value, ensure_ascii=False, indent=2, default=str)
    return element("pre", text, class_="ph-json", tabindex="0")


def _labels(found: LabelsShape, example: Example) -> Markup:
    del example
    chosen = set(found.labels) if found.labels is not None else {found.label}
    ordered = sorted(found.probabilities.items(), key=lambda item: item[1], reverse=True)
    shown = bars([Bar(label, score, is_chosen=label in chosen) for label, score in ordered])
    if found.labels is None:
        return shown
    answer = ", ".join(found.labels) or "none of the labels"
    return joined(element("p", answer, class_="ph-value"), shown)


def _choice(found: ChoiceShape, example: Example) -> Markup:
    choices = example.get("choices")
    if not isinstance(choices, Sequence) or len(choices) != len(found.probabilities):
        choices = [f"choice {number}" for number in range(1, len(found.probabilities) + 1)]
    numbered = enumerate(zip(choices, found.probabilities, strict=True))
    shown = [Bar(str(text), score, is_chosen=n == found.choice) for n, (text, score) in numbered]
    return bars(sorted(shown, key=lambda bar: bar.score, reverse=True))


def _span(found: SpanShape, example: Example) -> Markup:
    context = str(example.get("context", ""))
    best = element("p", found.text or "The text has no answer.", class_="ph-value")
    if found.start is not None and found.end is not None:
        spans = [Span(found.start, found.end, f"answer {found.score:.0%}", hue="answer")]
    else:
        spans = []
    others = [
        Bar(candidate.text or "no answer", candidate.score, is_chosen=number == 0)
        for number, candidate in enumerate(found.candidates)
    ]
    return joined(best, marked(context, spans), bars(others))


def _entities(found: EntitiesShape, example: Example) -> Markup:
    text = example.get("text")
    if not isinstance(text, str):
        text = " ".join(found.words)
    if found.entities:
        spans = [Span(each.start, each.end, each.label, each.score) for each in found.entities]
    else:
        tagged = zip(found.starts, found.ends, found.tags, found.scores, strict=False)
        spans = [Span(start, end, tag, score) for start, end, tag, score in tagged if tag != "O"]
    note = "" if spans else element("p", "Nothing was found.", class_="ph-note")
    return joined(marked(text, spans), note)


def _masks(found: MasksShape, example: Example) -> Markup:
    del example
    if not found.masks:
        return element("p", "The text has no [MASK] to fill.", class_="ph-note")
    parts = [element("p", found.text, class_="ph-value")]
    for number, fillings in enumerate(found.masks, start=1):
        if len(found.masks) > 1:
            parts.append(element("h4", f"Mask {number}"))
        ranked = enumerate(fillings)
        parts.append(bars([Bar(one.token_str, one.score, is_chosen=n == 0) for n, one in ranked]))
    return joined(*parts)


def _numbers(found: NumbersShape, example: Example) -> Markup:
    del example
    if len(found.values) <= 1:
        return element("p", f"{found.score:.4g}", class_="ph-value ph-number")
    rows = [
        element("tr", element("th", name, scope="row"), element("td", f"{value:.4g}"))
        for name, value in found.values.items()
    ]
    return element("table", *rows, class_="ph-table")


def _vector(found: VectorShape, example: Example) -> Markup:
    del example
    first = ", ".join(f"{value:.3f}" for value in found.embedding[:_FIRST_NUMBERS])
    dots = ", …" if len(found.embedding) > _FIRST_NUMBERS else ""
    numbers = element("p", f"{len(found.embedding)} numbers: {first}{dots}", class_="ph-note")
    if found.similarity is None:
        return numbers
    likeness = f"likeness {found.similarity:.3f}"
    return joined(element("p", likeness, class_="ph-value"), numbers)


# the first that fits; one that asks for more fields stands before one that asks for fewer
_RENDERINGS: Final[dict[type[BaseModel], Callable[[Any, Example], Markup]]] = {
    SpanShape: _span,
    EntitiesShape: _entities,
    MasksShape: _masks,
    ChoiceShape: _choice,
    LabelsShape: _labels,
    NumbersShape: _numbers,
    VectorShape: _vector,
}
