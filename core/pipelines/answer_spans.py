"""The spans of a window that may answer a question, and how probable they are.

Dimensions: T tokens of a window, C of them context.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from polyhead.batch import Row

__all__ = ["AnswerSpan", "WindowScores", "best_answers", "words_of_context"]

Characters = tuple[int, int]
"""The first character of a part of a text, and the one behind its last."""

_CONTEXT = 1  # the number of the context among the texts of a row


@dataclass(frozen=True, slots=True)
class AnswerSpan:
    """A part of the context.

    Attributes:
        start: Its first character.
        end: The character behind its last.
        score: The probability of its first token as a start times that of its last as an end.
    """

    start: int
    end: int
    score: float


@dataclass(frozen=True)
class WindowScores:
    """One window: part of a context behind its question.

    Attributes:
        row: [CLS] question [SEP] part of the context [SEP].
        start: The probability that the answer starts at a token; that of [CLS] speaks for no
            answer, that of other tokens outside the context is 0. Shape: (T,).
        end: The same for its end. Shape: (T,).

    Source: transformers.pipelines.question_answering, version 4.57.
    """

    row: Row
    start: Tensor
    end: Tensor

    @classmethod
    def of(cls, row: Row, logits: Tensor) -> WindowScores:
        """The scores that logits stand for. Shape: logits (2, T)."""
        allowed = [segment == _CONTEXT for segment in row.segments or ()]
        allowed[0] = True  # [CLS]
        logits_2T = logits.masked_fill(~torch.tensor(allowed), -torch.inf)
        start_T, end_T = logits_2T.softmax(dim=1).unbind()
        return cls(row, start_T, end_T)

    @property
    def null_score(self) -> float:
        """The probability of no answer."""
        return float(self.start[0] * self.end[0])

    def spans(
        self, most: int, max_tokens: int, words: Mapping[int, Characters] | None = None
    ) -> list[AnswerSpan]:
        """The most probable spans, the best first.

        Args:
            most: How many.
            max_tokens: Most tokens of a span.
            words: Where each word of the context lies, for spans to grow to; not when None.
        """
        places = [place for place, part in enumerate(self.row.segments or ()) if part == _CONTEXT]
        if not places:
            return []
        first, n = places[0], len(places)
        start_C, end_C = self.start[first : first + n], self.end[first : first + n]
        is_span_CC = torch.ones(n, n, dtype=torch.bool).triu().tril(max_tokens - 1)
        scores_CC = torch.outer(start_C, end_C).masked_fill(~is_span_CC, -1.0)
        top = scores_CC.flatten().topk(min(most, int(is_span_CC.sum())))
        characters_C = self._characters(words)[first : first + n]
        return [
            AnswerSpan(characters_C[place // n][0], characters_C[place % n][1], score)
            for place, score in zip(top.indices.tolist(), top.values.tolist(), strict=True)
        ]

    def _characters(self, words: Mapping[int, Characters] | None) -> Sequence[Characters]:
        """Where each token lies, or its word."""
        offsets = self.row.offsets or ()
        if words is None:
            return offsets
        pairs = zip(self.row.segments or (), self.row.words or (), strict=True)
        return [words[word] if segment == _CONTEXT else (0, 0) for segment, word in pairs]


def words_of_context(rows: Sequence[Row]) -> dict[int, Characters]:
    """Where each word of the context lies, as far as `rows` show it."""
    found: dict[int, Characters] = {}
    for row in rows:
        places = zip(row.segments or (), row.words or (), row.offsets or (), strict=True)
        for segment, word, (left, right) in places:
            if segment == _CONTEXT:
                known = found.get(word, (left, right))
                found[word] = (min(left, known[0]), max(right, known[1]))
    return found


def best_answers(
    context: str, spans: Sequence[AnswerSpan], null_score: float | None, most: int
) -> list[dict[str, Any]]:
    """Answers with their texts, the best first.

    The scores of spans with the same text, whatever its case and wherever it stands, are added, and
    it has the place of the first.

    Args:
        context: What spans are parts of.
        spans: Those of each window, in the order of the windows, each window's best first.
        null_score: That of no answer; None where that is no choice.
        most: How many answers.
    """
    found: dict[str, AnswerSpan] = {}
    for span in spans:
        text = context[span.start : span.end].lower()
        known = found.get(text)
        if known is not None:
            span = AnswerSpan(known.start, known.end, known.score + span.score)  # noqa: PLW2901
        found[text] = span
    answers = [
        {
            "score": span.score,
            "start": span.start,
            "end": span.end,
            "answer": context[span.start : span.end],
        }
        for span in found.values()
    ]
    if null_score is not None:
        answers.append({"score": null_score, "start": 0, "end": 0, "answer": ""})
    return sorted(answers, key=_score, reverse=True)[:most]


def _score(answer: dict[str, Any]) -> float:
    return float(answer["score"])
