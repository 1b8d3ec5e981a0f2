import sys

import pytest
import torch
from scipy.stats import pearsonr, spearmanr

from polyhead.batch import Row
from polyhead.contracts import Encoded
from polyhead.errors import InputError, MissingExtraError
from polyhead.heads import EmbeddingExample
from polyhead.heads.embedding.metrics import EmbeddingMetrics, ScoredEmbeddingMetrics
from polyhead.heads.embedding.targets import row_targets


def encoded(first, second=None, *negatives, label=None):
    """An example whose texts are numbers."""
    numbers = [number for number in (first, second, *negatives) if number is not None]
    rows = tuple(Row((number,)) for number in numbers)
    example = EmbeddingExample(
        text=str(first),
        text_pair=None if second is None else str(second),
        negatives=tuple(map(str, negatives)),
        label=label,
    )
    return Encoded(example, rows, None if second is None else row_targets(rows, label))


def measured(metrics, examples, vector_of, n_at_once=2):
    for start in range(0, len(examples), n_at_once):
        batch = examples[start : start + n_at_once]
        rows = [vector_of[row.ids[0]] for item in batch for row in item.rows]
        metrics.update(torch.tensor(rows), batch)
    return metrics.compute()


VECTORS = {1: [2.0, 0], 2: [1, 0.1], 3: [0, 3], 4: [1, 1.0], 5: [1, -5.0]}


def test_primary_figures_follow_what_the_head_learns_from():
    assert EmbeddingMetrics.primary == "mrr"
    assert ScoredEmbeddingMetrics.primary == "spearman"
    assert EmbeddingMetrics.higher_is_better


def test_scored_pairs_are_correlated_with_their_cosines():
    examples = [
        encoded(1, 2, label=4.5),
        encoded(1, 3, label=2.0),
        encoded(1, 4, label=2.0),
        encoded(3, 5, label=0.5),
    ]
    cosines = [
        torch.cosine_similarity(torch.tensor(VECTORS[a]), torch.tensor(VECTORS[b]), dim=0).item()
        for a, b in ((1, 2), (1, 3), (1, 4), (3, 5))
    ]
    scores = [4.5, 2, 2, 0.5]
    for metrics in (EmbeddingMetrics(), ScoredEmbeddingMetrics()):
        found = measured(metrics, examples, VECTORS)
        assert found == {
            "spearman": pytest.approx(spearmanr(cosines, scores)[0], abs=1e-6),
            "pearson": pytest.approx(pearsonr(cosines, scores)[0], abs=1e-6),
        }
        assert all(type(figure) is float for figure in found.values())


@pytest.mark.parametrize(
    "examples",
    [
        [encoded(1, 2, label=3.0)],
        [encoded(1, 2, label=3.0), encoded(1, 3, label=3.0)],
        [encoded(1, 2, label=1.0), encoded(1, 2, label=2.0)],
    ],
)
def test_a_correlation_that_is_undefined_counts_as_zero(examples):
    found = measured(ScoredEmbeddingMetrics(), examples, VECTORS)
    assert found == {"spearman": 0.0, "pearson": 0.0}


def test_pairs_without_scores_search_among_all_second_texts_and_negatives():
    # 1 finds 2, 4, 5, 3 in this order; 3 finds 4, 2, 5; itself it does not find
    examples = [encoded(1, 4), encoded(3, 2, 5), encoded(2, 3)]
    found = measured(EmbeddingMetrics(), examples, VECTORS)
    # rank of 4 for 1: behind 2. Of 2 for 3: behind 4. Of 3 for 2: behind 4, before 5
    assert found["mrr"] == pytest.approx((1 / 2 + 1 / 2 + 1 / 2) / 3)
    assert found["recall_at_1"] == 0
    assert found["recall_at_5"] == found["recall_at_10"] == 1


def test_all_partners_of_a_text_are_right_and_count_as_one_query():
    examples = [encoded(1, 2), encoded(1, 3), encoded(4, 2), encoded(1, 2)]
    found = measured(EmbeddingMetrics(), examples, VECTORS)
    # 1 finds 2 and 3, and there are no others; 4 finds 2 first (cosine 0.77; of 3 it is 0.71)
    assert found == {"mrr": 1, "recall_at_1": 0.75, "recall_at_5": 1, "recall_at_10": 1}


def test_batches_do_not_change_the_figures():
    examples = [encoded(1, 4), encoded(3, 2, 5), encoded(2, 3), encoded(5, 4, 1)]
    one, two, all_of_them = (measured(EmbeddingMetrics(), examples, VECTORS, n) for n in (1, 3, 4))
    assert one == two == all_of_them


def test_scored_and_unscored_pairs_are_not_mixed():
    with pytest.raises(InputError, match="some pairs have a score and others none"):
        measured(EmbeddingMetrics(), [encoded(1, 2), encoded(1, 2, label=1.0)], VECTORS)


def test_an_example_without_second_text_is_refused():
    with pytest.raises(InputError, match="1 of 2 examples have no second text"):
        measured(EmbeddingMetrics(), [encoded(1, 2), encoded(1)], VECTORS)


def test_no_pairs_are_no_evaluation():
    with pytest.raises(InputError, match="no pairs to evaluate on"):
        EmbeddingMetrics().compute()


def test_embeddings_that_are_not_finite_are_refused():
    with pytest.raises(InputError, match="row 2 are not finite"):
        measured(EmbeddingMetrics(), [encoded(1, 2)], {1: [1.0], 2: [float("nan")]})


def test_scores_need_scikit_learn_and_retrieval_does_not(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy.stats", None)
    assert measured(EmbeddingMetrics(), [encoded(1, 2)], VECTORS)["mrr"] == 1
    with pytest.raises(MissingExtraError, match=r"pip install 'polyhead\[train\]'"):
        measured(EmbeddingMetrics(), [encoded(1, 2, label=1.0)], VECTORS)
