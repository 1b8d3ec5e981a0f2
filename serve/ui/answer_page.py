"""All tasks' answers to one question as HTML."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from polyhead.contracts import Prediction
from polyhead.errors import EngineError, PolyheadError
from polyhead.serve.ui.markup import Markup, element, joined
from polyhead.serve.ui.pieces import Bar, bars
from polyhead.serve.ui.renderings import rendered, rendered_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from polyhead.serve.ui.asking import Answer, Answers

__all__ = ["answer_page", "failure_page"]

_log = logging.getLogger("polyhead.ui")
_MAX_REASON: Final = 2000


def answer_page(asked: Answers) -> Markup:
    """A place for each task with its answer or its error, and what all of it took."""
    n_tasks = len(asked.answers)
    cost = (
        f"{1000 * asked.seconds:.1f} ms · {asked.n_tokens} tokens · "
        f"{n_tasks} task{'s' * (n_tasks != 1)}"
    )
    places = [_place(answer) for answer in asked.answers]
    return joined(
        element("div", *places, class_="ph-answers"), element("p", cost, class_="ph-cost")
    )


def failure_page(error: PolyheadError) -> Markup:
    """The place of an error that is of no task."""
    return element("section", _reason(error), class_="ph-answer ph-failed", role="alert")


def _place(answer: Answer) -> Markup:
    record = answer.record
    about = "" if record is None else element("span", record.head_kind or "", class_="ph-kind")
    heading = element("h3", answer.task, about)
    first = answer.outcomes[0]
    failed: dict[str, str] = {}
    if isinstance(first, PolyheadError):
        body, failed = _reason(first), {"role": "alert"}
    else:
        body = _answered(first, answer)
    class_ = "ph-answer ph-failed" if failed else "ph-answer"
    return element("section", heading, body, class_=class_, data_task=answer.task, **failed)


def _answered(first: Prediction, answer: Answer) -> Markup:
    shown = _shown(first, answer.examples[0])
    if len(answer.examples) == 1:
        return shown
    return joined(_nearest(first, answer.examples[1:], answer.outcomes[1:]), shown)


def _shown(prediction: Prediction, example: Mapping[str, Any]) -> Markup:
    try:
        return rendered(prediction, example)
    except Exception:  # noqa: BLE001 - an answer that only looks like one of those known
        _log.exception("an answer of %s could not be drawn", type(prediction).__qualname__)
        return rendered_json(prediction.model_dump(mode="json"))


def _nearest(
    text: Prediction, examples: Sequence[Mapping[str, Any]], outcomes: Sequence[object]
) -> Markup:
    """The texts that were compared with the first, the nearest first."""
    found: list[Bar] = []
    failed: list[Markup] = []
    for example, outcome in zip(examples, outcomes, strict=True):
        if isinstance(outcome, PolyheadError):
            failed.append(element("li", example["text"], " — ", _words(outcome)))
        else:
            likeness = _cosine(_vector(text), _vector(outcome))
            found.append(Bar(example["text"], likeness, is_share=False))
    found.sort(key=lambda bar: bar.score, reverse=True)
    found[:1] = [replace(bar, is_chosen=True) for bar in found[:1]]
    heading = element("h4", "Nearest texts")
    rest = element("ul", *failed, class_="ph-note") if failed else ""
    return joined(heading, bars(found), rest)


def _vector(prediction: object) -> Sequence[float]:
    vector: Sequence[float] = getattr(prediction, "embedding", ())
    return vector


def _cosine(one: Sequence[float], other: Sequence[float]) -> float:
    lengths = math.hypot(*one) * math.hypot(*other)
    return sum(a * b for a, b in zip(one, other, strict=True)) / lengths if lengths else 0.0


def _reason(error: PolyheadError) -> Markup:
    parts = [element("p", _words(error), class_="ph-reason")]
    retry_s = error.retry_after_s if isinstance(error, EngineError) else None
    if retry_s is not None:
        parts.append(
            element("p", f"Try again in {max(1, math.ceil(retry_s))} s.", class_="ph-note")
        )
    return joined(*parts)


def _words(error: PolyheadError) -> str:
    """What an error says, cut where that is without end."""
    return str(error)[:_MAX_REASON]
