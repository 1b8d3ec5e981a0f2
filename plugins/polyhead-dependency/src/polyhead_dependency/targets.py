"""What a sentence's tokens are to learn: word, head and relation of each, as three numbers.

Dimensions: N tokens, T tokens of one row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Final

import torch
from torch import Tensor

import polyhead as ph
from polyhead_dependency.example import DependencyExample
from polyhead_dependency.words import NO_WORD, NOT_KNOWN, ROOT

__all__ = ["N_PARTS", "check_labels", "sentence_target", "unknown_relation"]

N_PARTS: Final = 3


def sentence_target(
    example: DependencyExample, words: Sequence[int], relations: Mapping[str, int]
) -> Tensor | None:
    """The target of a sentence; None where its tree is not known. Shape: (N, 3).

    Args:
        example: The sentence.
        words: The word that each token stands for, `ROOT` or `NO_WORD`.
        relations: The number of each relation.

    Raises:
        InputError: A relation has no number.
    """
    if example.heads is None or example.deprels is None:
        return None
    n_read = max(words)
    nothing = (NOT_KNOWN, NOT_KNOWN)
    of_words = {NO_WORD: nothing, ROOT: nothing}
    for word, (head, deprel) in enumerate(zip(example.heads, example.deprels, strict=True), 1):
        if deprel not in relations:
            raise ph.InputError(unknown_relation(deprel, relations))
        # a head that was cut off is not among those to choose from
        of_words[word] = (head, relations[deprel]) if head <= n_read else nothing
    return torch.tensor([(word, *of_words[word]) for word in words])


def check_labels(labels: Tensor, n_relations: int) -> None:
    """Refuses targets of one row that `sentence_target` could not have made. Shape: (T, 3).

    Raises:
        InputError: The words are not numbered in their order, or a head or relation is out of
            range.
    """
    words, heads, relations = labels.T.tolist()
    numbers = [number for number in words if number != NO_WORD]
    is_in_order = all(0 <= later - number <= 1 for number, later in pairwise(numbers))
    if words[:1] != [ROOT] or numbers.count(ROOT) != 1 or not is_in_order:
        raise ph.InputError(
            f"the words of a row's tokens must be {ROOT} for the first, the root, and then 1, 2, "
            f"... in order, or {NO_WORD} for tokens of none, not {words}."
        )
    n_words = numbers[-1]
    for head, relation in zip(heads, relations, strict=True):
        is_nothing = head == relation == NOT_KNOWN
        if not (is_nothing or (0 <= head <= n_words and 0 <= relation < n_relations)):
            raise ph.InputError(
                f"the head {head} and relation {relation} of a token are neither both {NOT_KNOWN} "
                f"nor from 0 to {n_words} and from 0 to {n_relations - 1}."
            )


def unknown_relation(name: str, known: Mapping[str, int] | Sequence[str]) -> str:
    """The message that a relation is not among a head's labels."""
    return (
        f"the relation {name!r} is unknown to this head; it has {len(known)}: {', '.join(known)}."
    )
