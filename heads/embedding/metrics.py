"""How good embeddings are: by the scores of pairs, or by which texts find which."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch.nn import functional

from polyhead.contracts import Metrics
from polyhead.errors import InputError, MissingExtraError
from polyhead.heads.embedding.example import EmbeddingExample
from polyhead.heads.embedding.retrieval import Query, ranks_of_answers, retrieval_figures
from polyhead.heads.logits import checked_logits

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from polyhead.batch import Row
    from polyhead.contracts import Encoded, HeadOutput

__all__ = ["EmbeddingMetrics", "ScoredEmbeddingMetrics"]


class EmbeddingMetrics(Metrics):
    """Figures of the kind that the examples allow, whatever the head has learnt from.

    Scored pairs: the correlation of cosines and scores. Pairs without scores: how well the first
    texts find the second ones among all second texts and negatives of the evaluation, each text
    counted once; all partners of a text are right answers.
    """

    primary = "mrr"

    def __init__(self) -> None:
        self._cosines: list[float] = []
        self._scores: list[float] = []
        self._searches = _Searches()

    def update(self, output: HeadOutput, encoded: Sequence[Encoded]) -> None:
        """Takes in the embeddings of a batch's rows, (R, W), and its pairs.

        Raises:
            InputError: An example has no second text, or the embeddings are not finite.
        """
        n_alone = sum(item.target is None for item in encoded)
        if n_alone:
            raise InputError(
                f"{n_alone} of {len(encoded)} examples have no second text to compare with."
            )
        unit_RW = functional.normalize(checked_logits(output), dim=1)
        start = 0
        for item in encoded:
            own_RW = unit_RW[start : start + len(item.rows)]
            start += len(item.rows)
            example = item.example
            score = example.label if isinstance(example, EmbeddingExample) else None
            if score is None:
                self._searches.add(item.rows, own_RW)
            else:
                self._cosines.append(float(own_RW[0] @ own_RW[1]))
                self._scores.append(score)

    def compute(self) -> dict[str, float]:
        """`spearman` and `pearson`; or `mrr`, `recall_at_1`, `recall_at_5` and `recall_at_10`.

        A correlation that is undefined, since all scores or all cosines are equal, counts as 0.0.

        Raises:
            InputError: There was no pair, or some had scores and others none.
            MissingExtraError: scikit-learn is not installed, and pairs have scores.
        """
        if self._scores and self._searches:
            raise InputError(
                "some pairs have a score and others none; evaluate them apart from each other."
            )
        if self._scores:
            return _correlations(self._cosines, self._scores)
        if self._searches:
            return self._searches.figures()
        raise InputError("there are no pairs to evaluate on.")


class ScoredEmbeddingMetrics(EmbeddingMetrics):
    """The same figures, for a head that learns from scored pairs."""

    primary = "spearman"


class _Searches:
    """First texts and what they are to find, each distinct text once."""

    def __init__(self) -> None:
        self._vectors: list[Tensor] = []
        self._number_of: dict[tuple[int, ...], int] = {}
        self._answers: dict[int, dict[int, None]] = {}
        self._collection: dict[int, None] = {}

    def __bool__(self) -> bool:
        return bool(self._answers)

    def add(self, rows: Sequence[Row], vectors: Tensor) -> None:
        """Takes in one example: its rows and their vectors, (R, W)."""
        first, *found = [
            self._number(row, vector) for row, vector in zip(rows, vectors, strict=True)
        ]
        self._collection.update(dict.fromkeys(found))
        self._answers.setdefault(first, {})[found[0]] = None

    def figures(self) -> dict[str, float]:
        """How well they were found."""
        vectors = torch.stack(self._vectors)
        place_of = {number: place for place, number in enumerate(self._collection)}
        queries = []
        for number, answers in self._answers.items():
            itself = None if number in answers else place_of.get(number)
            queries.append(Query(tuple(place_of[answer] for answer in answers), itself))
        collection = vectors[list(self._collection)]
        return retrieval_figures(
            ranks_of_answers(vectors[list(self._answers)], collection, queries)
        )

    def _number(self, row: Row, vector: Tensor) -> int:
        number = self._number_of.setdefault(row.ids, len(self._vectors))
        if number == len(self._vectors):
            self._vectors.append(vector.clone())  # not a view, which would keep its batch alive
        return number


def _correlations(cosines: Sequence[float], scores: Sequence[float]) -> dict[str, float]:
    try:
        # takes a second to import, and prediction never needs it
        from scipy.stats import pearsonr, spearmanr  # noqa: PLC0415 - comes with scikit-learn
    except ImportError as error:
        raise MissingExtraError("scikit-learn", "train", "evaluation") from error
    if len(set(cosines)) == 1 or len(set(scores)) == 1:
        return {"spearman": 0.0, "pearson": 0.0}
    measures: dict[str, Any] = {"spearman": spearmanr, "pearson": pearsonr}
    return {name: float(measure(cosines, scores)[0]) for name, measure in measures.items()}
