import pytest
import torch

from polyhead.errors import InputError
from polyhead.heads.embedding import similarity
from polyhead.heads.embedding.similarity import cosine_similarity, top_k


def drawn(n, width=6, seed=0):
    return torch.randn(n, width, generator=torch.Generator().manual_seed(seed))


def test_cosines_are_those_of_every_pair():
    a, b = drawn(3), drawn(4, seed=1)
    found = cosine_similarity(a, b)
    expected = torch.stack([torch.cosine_similarity(row.unsqueeze(0), b) for row in a])
    torch.testing.assert_close(found, expected)


def test_lists_of_numbers_are_vectors_too():
    assert cosine_similarity([[3, 4]], [[6, 8], [-3, -4]]).tolist() == [[1, -1]]


def test_a_vector_of_zeros_is_like_nothing():
    assert cosine_similarity([[0.0, 0.0]], [[1.0, 0.0], [0.0, 0.0]]).tolist() == [[0, 0]]


def test_cosines_stay_within_one_and_are_float32():
    vectors = drawn(50, width=384).to(torch.bfloat16)
    found = cosine_similarity(vectors, vectors)
    assert found.dtype == torch.float32
    assert found.abs().max() <= 1


def test_cosines_carry_gradients():
    a = drawn(2).requires_grad_()
    cosine_similarity(a, drawn(3, seed=1)).sum().backward()
    assert a.grad.any()


def test_the_nearest_are_those_of_the_whole_matrix(monkeypatch):
    queries, collection = drawn(5), drawn(23, seed=1)
    expected = cosine_similarity(queries, collection).topk(4, dim=1)
    monkeypatch.setattr(similarity, "CHUNK", 3)
    monkeypatch.setattr(similarity, "_QUERIES", 2)
    scores, places = top_k(queries, collection, 4)
    assert torch.equal(places, expected.indices)
    torch.testing.assert_close(scores, expected.values)


def test_fewer_are_found_where_the_collection_is_smaller():
    scores, places = top_k(drawn(2), drawn(3, seed=1), 10)
    assert scores.shape == places.shape == (2, 3)
    assert sorted(places[0].tolist()) == [0, 1, 2]


@pytest.mark.parametrize(("n_queries", "n_texts", "shape"), [(0, 3, (0, 2)), (2, 0, (2, 0))])
def test_nothing_finds_nothing(n_queries, n_texts, shape):
    scores, places = top_k(torch.zeros(n_queries, 4), torch.zeros(n_texts, 4), 2)
    assert scores.shape == places.shape == shape
    assert places.dtype == torch.int64


@pytest.mark.parametrize("k", [0, -1, 1.0, True, "2"])
def test_k_counts_from_one(k):
    with pytest.raises(InputError, match="k must be a whole number from 1 on"):
        top_k(drawn(1), drawn(2), k)


@pytest.mark.parametrize("function", [cosine_similarity, lambda a, b: top_k(a, b, 1)])
@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        (drawn(2), drawn(2, width=5), "width 6 cannot be compared with vectors of width 5"),
        (drawn(2)[0], drawn(2), r"shape \(number, width\), not \(6,\)"),
        (drawn(2), [], r"shape \(number, width\), not \(0,\)"),
        ([[1.0, 2.0], [1.0]], drawn(2), "lists of numbers of one length"),
        (["text"], drawn(2), "lists of numbers of one length"),
        (drawn(2), drawn(2).log(), "example 1: a vector holds NaN or infinity"),
        (drawn(1).to(torch.complex64), drawn(2), "vectors must have the shape"),
    ],
)
def test_what_are_no_vectors_of_one_width_is_refused(function, a, b, message):
    with pytest.raises(InputError, match=message):
        function(a, b)
