from functools import cache
from itertools import product

import pytest
import torch
from polyhead_dependency.decoding import best_heads
from polyhead_dependency.projective import best_projective_trees
from polyhead_dependency.spanning import best_tree
from polyhead_dependency.tree import fault_of, is_projective


@cache
def all_trees(n_words):
    """The heads of every tree. Shape: (trees, words)."""
    every = product(range(n_words + 1), repeat=n_words)
    return torch.tensor([heads for heads in every if not fault_of(heads)])


@cache
def projective_trees(n_words):
    return torch.tensor([heads for heads in all_trees(n_words).tolist() if is_projective(heads)])


def totals(scores, trees):
    """The sum of scores of each tree. Shape: (words, words + 1), (trees, words) -> (trees,)."""
    return scores.double()[torch.arange(trees.shape[1]), trees].sum(dim=1)


def total(scores, heads):
    return totals(scores, torch.tensor([heads])).item()


def score_sets(n_words):
    """Scores of each word hanging on each head: any, with many ties, all the same, far apart."""
    generator = torch.Generator().manual_seed(n_words)
    size = (n_words, n_words + 1)
    for _ in range(40):
        yield torch.randn(size, generator=generator)
        yield torch.randint(0, 2, size, generator=generator).float()
        yield torch.randn(size, generator=generator) * 1000
    yield torch.zeros(size)
    yield torch.full(size, -3.5)


@pytest.mark.parametrize("n_words", [1, 2, 3, 4, 5])
def test_no_tree_is_better_than_the_one_that_is_found(n_words):
    for scores in score_sets(n_words):
        heads = best_tree(scores)
        best = totals(scores, all_trees(n_words)).max().item()
        assert fault_of(heads) is None
        assert total(scores, heads) == pytest.approx(best, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("n_words", [1, 2, 3, 4, 5])
def test_no_projective_tree_is_better_than_the_one_that_is_found(n_words):
    every = list(score_sets(n_words))
    for scores, heads in zip(
        every, best_projective_trees(torch.stack(every), [n_words] * len(every)), strict=True
    ):
        assert fault_of(heads) is None
        assert is_projective(heads)
        best = totals(scores, projective_trees(n_words)).max().item()
        assert total(scores, heads) == pytest.approx(best, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("n_words", [12, 40])
def test_longer_sentences_have_trees_too(n_words):
    scores = torch.randn(n_words, n_words + 1, generator=torch.Generator().manual_seed(0))
    crossing = best_tree(scores)
    [projective] = best_projective_trees(scores.unsqueeze(0), [n_words])
    assert fault_of(crossing) is None
    assert fault_of(projective) is None
    assert is_projective(projective)
    assert not is_projective(crossing)
    assert total(scores, crossing) > total(scores, projective)


@pytest.mark.parametrize("search", [best_tree, lambda s: best_projective_trees(s[None], [3])[0]])
def test_one_root_is_found_where_all_words_would_be_one(search):
    scores = torch.tensor([[9.0, 0, 1, 2], [9, 3, 0, 1], [8, 2, 1, 0]])
    assert search(scores) == [0, 1, 1]


def test_heads_that_cannot_be_are_left_alone():
    scores = torch.tensor([[0.0, 0, -torch.inf], [-torch.inf, 0, 0]])
    assert best_tree(scores) == [0, 1]
    assert best_projective_trees(scores.unsqueeze(0), [2]) == [[0, 1]]


def test_scores_far_below_all_others_do_not_blur_them():
    scores = torch.tensor([[0.0, 0, 1e-3], [0, 0, 0]]) + torch.tensor(
        [[0.0, -1e30, 0], [0, 0, -1e30]]
    )
    assert best_tree(scores) == [2, 0]


@pytest.mark.parametrize("decoding", ["projective", "nonprojective", "greedy"])
def test_a_sentence_has_the_same_heads_in_any_batch(decoding):
    generator = torch.Generator().manual_seed(1)
    lengths = [3, 7, 1, 5, 7]
    padded = torch.full((5, 7, 8), -torch.inf)
    alone = []
    for number, length in enumerate(lengths):
        # whole numbers: many trees are equally good, and it is always the same that is found
        scores = torch.randint(0, 3, (length, length + 1), generator=generator).float()
        padded[number, :length, : length + 1] = scores
        alone += best_heads(scores.unsqueeze(0), [length], decoding)
    assert best_heads(padded, lengths, decoding) == alone


def test_the_likeliest_heads_need_not_be_a_tree():
    scores = torch.tensor([[[0.0, -9, 1], [0.5, 1, -9]]])
    assert best_heads(scores, [2], "greedy") == [[2, 1]]
    assert best_heads(scores, [2], "nonprojective") == [[2, 0]]
    assert best_heads(scores, [2], "projective") == [[2, 0]]


def test_crossing_arcs_are_found_where_they_may_cross():
    heads = [3, 4, 0, 3]
    scores = torch.full((1, 4, 5), -9.0)
    for word, head in enumerate(heads):
        scores[0, word, head] = 0
    assert best_heads(scores, [4], "nonprojective") == [heads]
    [found] = best_heads(scores, [4], "projective")
    assert is_projective(found)
    assert fault_of(found) is None


@pytest.mark.parametrize("decoding", ["projective", "nonprojective", "greedy"])
def test_no_sentences_have_no_heads(decoding):
    assert best_heads(torch.zeros(0, 0, 1), [], decoding) == []
    assert best_projective_trees(torch.zeros(0, 0, 1), []) == []
    assert best_tree(torch.zeros(0, 1)) == []
