"""Exact match and F1 of answers, as the official SQuAD scripts compute them.

Source: `evaluate-v2.0.py` of the SQuAD project (Rajpurkar et al. 2018, arXiv:1806.03822). That of
version 1.1 (2016, arXiv:1606.05250) gives the same figures but for answers of which normalisation
leaves nothing, such as "a": it never gives them any F1.
"""

from __future__ import annotations

import math
import re
import string
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["answer_f1", "best_threshold", "exact_match", "normalised", "scores"]

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)


def normalised(answer: str) -> str:
    """`answer` in lower case, without punctuation, English articles and extra white space."""
    return " ".join(_ARTICLES.sub(" ", answer.lower().translate(_PUNCTUATION)).split())


def exact_match(gold: str, answer: str) -> float:
    """1 where both are the same after normalisation, else 0."""
    return float(normalised(gold) == normalised(answer))


def answer_f1(gold: str, answer: str) -> float:
    """The F1 of the words, each counted as often as it is there; 1 where both have none."""
    gold_words, words = normalised(gold).split(), normalised(answer).split()
    if not gold_words or not words:
        return float(gold_words == words)
    n_same = (Counter(gold_words) & Counter(words)).total()
    if n_same == 0:
        return 0.0
    precision, recall = n_same / len(words), n_same / len(gold_words)
    return 2 * precision * recall / (precision + recall)


def scores(golds: Sequence[str], answer: str) -> tuple[float, float]:
    """Exact match and F1, each with the gold answer that fits best.

    Args:
        golds: The right answers; none where "" is right.
        answer: The answer to judge, "" for none.
    """
    kept = [gold for gold in golds if normalised(gold)] or [""]
    return (
        max(exact_match(gold, answer) for gold in kept),
        max(answer_f1(gold, answer) for gold in kept),
    )


def best_threshold(
    given: Sequence[float], is_null: Sequence[bool], margins: Sequence[float]
) -> tuple[float, float]:
    """The highest mean score that a threshold for "no answer" gives, and that threshold.

    A question whose margin exceeds the threshold is refused, as in the official script. Unlike
    there, where margins are probabilities and it is 0, the threshold that refuses all is one that
    does, and questions with the same margin share their fate.

    Args:
        given: Each question's score where its best span is the answer; at least one question.
        is_null: Whether "no answer" is right. It then scores 1, and a span 0.
        margins: Each question's score of "no answer" less that of the best span.
    """
    ranked = sorted(zip(margins, given, is_null, strict=True))
    total = best = float(sum(is_null))
    threshold = math.nextafter(ranked[0][0], -math.inf)
    for place, (margin, score, null) in enumerate(ranked, start=1):
        total += -1 if null else score
        is_last_of_margin = place == len(ranked) or ranked[place][0] > margin
        if is_last_of_margin and total > best:
            best, threshold = total, margin
    return best / len(ranked), threshold
