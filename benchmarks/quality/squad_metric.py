"""Exact match and F1 of answers, as the official SQuAD 2.0 script computes them."""

from __future__ import annotations

import re
import string
from collections import Counter
from itertools import accumulate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

ARTICLES = re.compile(r"\b(a|an|the)\b")
PUNCTUATION = str.maketrans("", "", string.punctuation)


def normalised(answer: str) -> str:
    """Return the answer in lower case, without punctuation, articles and extra white space."""
    plain = answer.lower().translate(PUNCTUATION)
    return " ".join(ARTICLES.sub(" ", plain).split())


def exact(gold: str, answer: str) -> float:
    """Return 1 where both are the same after normalisation."""
    return float(normalised(gold) == normalised(answer))


def f1(gold: str, answer: str) -> float:
    """Return the F1 of the words both have in common; no answer equals only no answer."""
    gold_words, answer_words = normalised(gold).split(), normalised(answer).split()
    if not gold_words or not answer_words:
        return float(gold_words == answer_words)
    n_same = (Counter(gold_words) & Counter(answer_words)).total()
    if n_same == 0:
        return 0.0
    precision, recall = n_same / len(answer_words), n_same / len(gold_words)
    return 2 * precision * recall / (precision + recall)


def best_scores(golds: Sequence[str], answer: str) -> tuple[float, float]:
    """Return exact match and F1 against the gold answer that fits best."""
    kept = [gold for gold in golds if normalised(gold)] or [""]
    return max(exact(gold, answer) for gold in kept), max(f1(gold, answer) for gold in kept)


def scores(golds: Sequence[Sequence[str]], answers: Sequence[str]) -> dict[str, float]:
    """Return the means over all questions, between 0 and 1."""
    pairs = [best_scores(gold, answer) for gold, answer in zip(golds, answers, strict=True)]
    exact_match, f1_mean = (sum(column) / len(pairs) for column in zip(*pairs, strict=True))
    return {"exact_match": exact_match, "f1": f1_mean}


def best_threshold_f1(
    golds: Sequence[Sequence[str]], answers: Sequence[str], null_margins: Sequence[float]
) -> float:
    """Return the highest F1 that any threshold for "no answer" gives.

    Args:
        golds: The true answers of each question; none where it has no answer.
        answers: The best answer to each that is not "no answer".
        null_margins: The score of "no answer" less the best answer's.
    """
    with_answer = [best_scores(g, a)[1] for g, a in zip(golds, answers, strict=True)]
    without = [best_scores(gold, "")[1] for gold in golds]
    order = sorted(range(len(golds)), key=lambda index: null_margins[index])
    gains = accumulate(with_answer[index] - without[index] for index in order)
    return (sum(without) + max(0.0, *gains)) / len(golds)
