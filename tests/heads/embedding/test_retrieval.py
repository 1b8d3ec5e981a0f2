import pytest
import torch
from torch.nn import functional

from polyhead.heads.embedding import retrieval
from polyhead.heads.embedding.retrieval import Query, ranks_of_answers, retrieval_figures

# by cosine with the first axis: the places 0, 1, 2, 3 in this order
NEARER_FIRST = functional.normalize(torch.tensor([[4.0, 1], [3, 1], [2, 1], [1, 1]]), dim=1)
FIRST = torch.tensor([[1.0, 0.0]])


def ranks(answers, itself=None):
    return ranks_of_answers(FIRST, NEARER_FIRST, [Query(answers, itself)])


def test_a_rank_counts_from_the_nearest_text():
    assert ranks((0,)) == [[1]]
    assert ranks((3,)) == [[4]]


def test_several_right_answers_have_a_rank_each():
    assert ranks((3, 1)) == [[2, 4]]
    assert ranks((0, 1, 2, 3)) == [[1, 2, 3, 4]]


def test_the_query_itself_is_passed_over():
    assert ranks((1,), itself=0) == [[1]]
    assert ranks((3, 1), itself=0) == [[1, 3]]


def test_vectors_that_are_all_the_same_find_nothing():
    same = torch.ones(5, 2) / 2**0.5
    assert ranks_of_answers(same[:1], same, [Query((2,))]) == [[5]]
    assert ranks_of_answers(same[:1], same, [Query((0, 1))]) == [[4, 5]]


def test_few_cosines_at_once_give_the_same_ranks(monkeypatch):
    generator = torch.Generator().manual_seed(0)
    vectors = functional.normalize(torch.randn(30, 8, generator=generator), dim=1)
    collection = functional.normalize(torch.randn(40, 8, generator=generator), dim=1)
    queries = [Query((n, (n + 7) % 40), itself=(n + 3) % 40) for n in range(30)]
    expected = ranks_of_answers(vectors, collection, queries)
    for number, query in enumerate(queries):
        order = (collection @ vectors[number]).argsort(descending=True).tolist()
        order.remove(query.itself)
        assert expected[number] == sorted(order.index(place) + 1 for place in query.answers)
    monkeypatch.setattr(retrieval, "_COSINES", 50)
    assert ranks_of_answers(vectors, collection, queries) == expected


def test_figures_are_means_over_the_queries():
    found = retrieval_figures([[1], [3], [2, 11], [20]])
    assert found == {
        "mrr": pytest.approx((1 + 1 / 3 + 1 / 2 + 1 / 20) / 4),
        "recall_at_1": 0.25,
        "recall_at_5": pytest.approx((1 + 1 + 0.5) / 4),
        "recall_at_10": pytest.approx((1 + 1 + 0.5) / 4),
    }
