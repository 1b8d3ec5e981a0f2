"""Answers out of a cache, and what is not there computed and kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from polyhead.caches.result_cache import WrittenAnswer

if TYPE_CHECKING:
    from polyhead.caches.result_cache import ResultCache
    from polyhead.contracts import Prediction
    from polyhead.model.answer_keys import AnswerKeys
    from polyhead.model.prediction import Question

__all__ = ["AnswerPlaces", "cached_answers"]

AnswerPlaces = Callable[[Sequence[list[int]]], "list[dict[int, Prediction]]"]
"""Computes the answers at some places of each question."""


def cached_answers(
    questions: Sequence[Question],
    keys: AnswerKeys,
    cache: ResultCache,
    private: Sequence[bool],
    compute: AnswerPlaces,
) -> list[list[Prediction]]:
    """Every task's answers, a list a task, in the order of the examples.

    An example that comes several times is looked for, and computed, once. Everyone gets an answer
    of their own.

    Args:
        questions: The tasks and their encoded examples.
        keys: Of their answers.
        cache: Where answers are looked for and kept.
        private: For each question whether the cache must not know of it.
        compute: Computes what is missing.
    """
    contexts = [
        None if hidden else context
        for context, hidden in zip(keys.contexts(questions), private, strict=True)
    ]
    batch = _Batch(cache)
    for question, context in zip(questions, contexts, strict=True):
        batch.ask(keys.of(question, context))
    if not any(batch.missing):
        return batch.answers([{} for _ in questions], [])
    computed = compute(batch.missing)
    # what was changed meanwhile, by other threads, may have been answered either way
    now = keys.contexts(questions)
    is_sure = [before == after for before, after in zip(contexts, now, strict=True)]
    return batch.answers(computed, is_sure)


class _Batch:
    """The examples of one call.

    Attributes:
        missing: For each question the places that are to be computed, ascending.
    """

    def __init__(self, cache: ResultCache) -> None:
        self.missing: list[list[int]] = []
        self._cache = cache
        self._keys: list[list[bytes | None]] = []
        self._found: dict[bytes | None, WrittenAnswer | None] = {}
        self._first: dict[bytes | None, tuple[int, int]] = {}

    def ask(self, keys: list[bytes | None]) -> None:
        """Looks for the answers of the next question."""
        missing = []
        for place, key in enumerate(keys):
            if key is None:
                missing.append(place)
            elif key not in self._found:
                self._found[key] = self._cache.find(key)
                if self._found[key] is None:
                    self._first[key] = len(self.missing), place
                    missing.append(place)
        self._keys.append(keys)
        self.missing.append(missing)

    def answers(
        self, computed: Sequence[dict[int, Prediction]], is_sure: Sequence[bool]
    ) -> list[list[Prediction]]:
        """All answers; those that are new are kept where `is_sure` says so of their question."""
        for key, (number, place) in self._first.items():
            written = self._found[key] = WrittenAnswer.of(computed[number][place])
            if key is not None and written is not None and is_sure[number]:
                self._cache.keep(key, written)
        return [
            [
                own[place] if place in own else self._copy(key, computed)
                for place, key in enumerate(keys)
            ]
            for own, keys in zip(computed, self._keys, strict=True)
        ]

    def _copy(self, key: bytes | None, computed: Sequence[dict[int, Prediction]]) -> Prediction:
        """The answer that was found for a key, or computed at another place."""
        written = self._found[key]
        if written is not None:
            return written.read()
        number, place = self._first[key]
        return computed[number][place].model_copy(deep=True)
