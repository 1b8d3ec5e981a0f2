from itertools import combinations, product

import pytest
from polyhead_dependency.tree import fault_of, is_projective


@pytest.mark.parametrize(
    ("heads", "fault"),
    [
        ([2, 0, 4], "the head of word 3 is 4, and the heads of 3 words are numbers from 0"),
        ([-1, 0], "the head of word 1 is -1"),
        ([0, 2], "word 2 is its own head"),
        ([2, 1], "no word has the head 0, so that there is no root"),
        ([0, 1, 0], "the words 1 and 3 both have the head 0; a tree has one root"),
        ([0, 4, 2, 3], "the words 2, 3, 4 hang on one another in a circle"),
        ([0, 3, 2, 3], "the words 2, 3 hang on one another in a circle"),
    ],
)
def test_what_is_no_tree_is_told(heads, fault):
    assert fault in fault_of(heads)


@pytest.mark.parametrize(("n_words", "n_trees"), [(1, 1), (2, 2), (3, 9), (4, 64), (5, 625)])
def test_exactly_the_trees_with_one_root_have_no_fault(n_words, n_trees):
    # Cayley: n ** (n - 2) trees, each with n choices of a root
    found = [heads for heads in product(range(n_words + 1), repeat=n_words) if not fault_of(heads)]
    assert len(found) == n_trees


def test_a_tree_is_projective_where_no_two_arcs_cross():
    n_projective = 0
    for heads in product(range(5), repeat=4):
        if fault_of(heads):
            continue
        arcs = [sorted((word, head)) for word, head in enumerate(heads, 1)]
        crosses = any(
            one[0] < other[0] < one[1] < other[1] or other[0] < one[0] < other[1] < one[1]
            for one, other in combinations(arcs, 2)
        )
        assert is_projective(heads) is not crosses, heads
        n_projective += not crosses
    assert n_projective == 30


def test_no_words_are_a_fault_and_cross_nothing():
    assert fault_of([]) is not None
    assert is_projective([])
