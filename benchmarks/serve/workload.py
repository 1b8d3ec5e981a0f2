"""What is asked: when, of which task, and which text. Made from seeds, equal in any process."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from polyhead.bench import lengths

ONSETS = (*"bdfghklmnprstvwz", "br", "dr", "gr", "kl", "pl", "st", "tr")
VOWELS = tuple("aeiou")
CODAS = ("", *"nrstl")
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
VOCAB_SIZE = 30_522
LONE_TOKENS = 30
"""The length of a text that is asked alone."""


@dataclass(frozen=True)
class Ask:
    """One text for one task.

    Attributes:
        task: Number of the task; the first is asked most often.
        text: Of words that are each one token.
        n_tokens: Of it, the first and the last special one included.
    """

    task: int
    text: str
    n_tokens: int


def vocabulary() -> list[str]:
    """Return as many tokens as BERT has: special ones, letters, and pronounceable words."""
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    known = [*SPECIAL, *letters, *(f"##{letter}" for letter in letters)]
    return [*known, *itertools.islice(_words(), VOCAB_SIZE - len(known))]


@cache
def words() -> tuple[str, ...]:
    """Return those that a text is made of."""
    return tuple(token for token in vocabulary() if token.isalpha() and len(token) > 1)


def zipf(n_tasks: int, n: int, seed: int = 0) -> list[int]:
    """Return `n` numbers below `n_tasks`; the first comes twice as often as the second (s = 1)."""
    weights = [1 / rank for rank in range(1, n_tasks + 1)]
    return random.Random(seed).choices(range(n_tasks), weights, k=n)  # noqa: S311  (no secret)


def asks(n: int, n_tasks: int, seed: int = 0) -> list[Ask]:
    """Return texts as `polyhead bench` spreads their lengths, tasks drawn by Zipf's law.

    No text comes twice, so no cache can answer.
    """
    known, draw = words(), random.Random(seed)  # noqa: S311  (no secret)
    drawn = zip(zipf(n_tasks, n, seed), lengths(n, seed), strict=True)
    return [Ask(task, _text(draw, known, length), length) for task, length in drawn]


def lone_asks(tasks: Sequence[int], seed: int = 0) -> list[Ask]:
    """Return a text of `LONE_TOKENS` tokens for each of these tasks."""
    known, draw = words(), random.Random(seed)  # noqa: S311  (no secret)
    return [Ask(task, _text(draw, known, LONE_TOKENS), LONE_TOKENS) for task in tasks]


def _text(draw: random.Random, known: Sequence[str], n_tokens: int) -> str:
    return " ".join(draw.choices(known, k=n_tokens - 2))


def _words() -> Iterator[str]:
    """Words of one syllable, then of two."""
    syllables = [
        onset + vowel + coda for onset, vowel, coda in itertools.product(ONSETS, VOWELS, CODAS)
    ]
    longer = (one + other for one, other in itertools.product(syllables, syllables))
    yield from dict.fromkeys(itertools.chain(syllables, longer))
