"""How good the answers of a question answering head are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from polyhead.contracts import Metrics
from polyhead.errors import InputError
from polyhead.heads.question_answering.spans import SpanSearch, window_logits
from polyhead.heads.question_answering.squad_metrics import best_threshold, scores

if TYPE_CHECKING:
    from collections.abc import Sequence

    from polyhead.contracts import Encoded, HeadOutput
    from polyhead.heads.question_answering.config import QuestionAnsweringHeadConfig

__all__ = ["QuestionAnsweringMetrics"]


class QuestionAnsweringMetrics(Metrics):
    """Exact match and F1 as the official SQuAD scripts compute them, but as fractions of 1."""

    primary = "f1"

    def __init__(self, config: QuestionAnsweringHeadConfig) -> None:
        """Starts a collection.

        Args:
            config: It says what an answer is, and when there is none.
        """
        self._config = config
        self._search = SpanSearch(1, config.max_answer_length, config.align_to_words)
        self._is_null: list[bool] = []
        self._margins: list[float] = []
        self._exact: list[float] = []
        self._f1: list[float] = []

    def update(self, output: HeadOutput, encoded: Sequence[Encoded]) -> None:
        """Takes in a batch's start and end logits, (B, T), and its labelled examples.

        Raises:
            InputError: The answers of an example are not known, or the logits are not finite.
        """
        for logits in window_logits(output, encoded):
            example = logits.example
            if example.answers is None:
                raise InputError("an example has no answers to compare with.")
            [best] = self._search.spans(logits)
            golds = [answer.text for answer in example.answers]
            exact, f1 = scores(golds, example.context[best.start : best.end])
            self._is_null.append(not golds)
            self._margins.append(logits.null_score - best.score)
            self._exact.append(exact)
            self._f1.append(f1)

    def compute(self) -> dict[str, float]:
        """`exact_match` and `f1`, and for tasks with null answers what they are made of.

        Those are `has_answer_f1` and `no_answer_f1` over the questions that have an answer and
        those that have none, and `best_f1`, which `null_threshold=best_threshold` would give.

        Raises:
            InputError: There was no example.
        """
        if not self._f1:
            raise InputError("there are no labelled examples to evaluate on.")
        if not self._config.null_answers:
            return {"exact_match": _mean(self._exact), "f1": _mean(self._f1)}
        f1 = self._with_threshold(self._f1)
        figures = {"exact_match": _mean(self._with_threshold(self._exact)), "f1": _mean(f1)}
        for name, is_null in (("has_answer_f1", False), ("no_answer_f1", True)):
            own = [score for score, null in zip(f1, self._is_null, strict=True) if null == is_null]
            if own:
                figures[name] = _mean(own)
        best, threshold = best_threshold(self._f1, self._is_null, self._margins)
        return {**figures, "best_f1": best, "best_threshold": threshold}

    def _with_threshold(self, given: Sequence[float]) -> list[float]:
        """The scores where every question is refused whose margin says so."""
        return [
            float(null) if margin > self._config.null_threshold else score
            for score, null, margin in zip(given, self._is_null, self._margins, strict=True)
        ]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
