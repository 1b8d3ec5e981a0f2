from itertools import product

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from polyhead.heads.tagging.grammar import Grammar

BIO = ("O", "B-X", "I-X", "B-Y", "I-Y")
BIOES = ("O", "B-X", "I-X", "E-X", "S-X", "S-Y")
SCHEMES = {"bio": BIO, "bioes": BIOES, "plain": ("NOUN", "VERB", "O")}


def keeps_to(tags, scheme):
    """The rules, tag by tag."""
    opened = ""
    for tag in tags:
        prefix, _, name = tag.partition("-")
        if scheme == "plain":
            continue
        if prefix in {"I", "E"} and opened != name:
            return False
        if prefix in {"B", "S", "O"} and opened and scheme == "bioes":
            return False
        opened = name if prefix in {"B", "I"} else ""
    return scheme != "bioes" or not opened


def numbers(draw_from, labels):
    values = draw_from.draw(
        st.lists(
            st.lists(st.integers(1, 99), min_size=len(labels), max_size=len(labels)),
            min_size=1,
            max_size=4,
        )
    )
    table = torch.tensor(values, dtype=torch.float64)
    return table / table.sum(dim=1, keepdim=True)


@given(st.sampled_from(sorted(SCHEMES)), st.data())
def test_the_best_tags_are_those_of_all_allowed_ones_with_the_greatest_product(scheme, data):
    labels = SCHEMES[scheme]
    texts = [numbers(data, labels) for _ in range(data.draw(st.integers(1, 3)))]
    found = Grammar.of(labels, scheme).best(torch.cat(texts), [len(text) for text in texts])
    for text, tags in zip(texts, torch.split(found, [len(text) for text in texts]), strict=True):
        products = {
            choice: float(torch.stack([row[k] for row, k in zip(text, choice, strict=True)]).prod())
            for choice in product(range(len(labels)), repeat=len(text))
            if keeps_to([labels[k] for k in choice], scheme)
        }
        assert keeps_to([labels[k] for k in tags.tolist()], scheme)
        assert products[tuple(tags.tolist())] == pytest.approx(max(products.values()))


def test_probable_tags_that_keep_to_the_scheme_are_left_alone():
    probabilities = torch.eye(5)[[1, 2, 0, 3, 4]] * 0.9 + 0.02
    assert Grammar.of(BIO, "bio").best(probabilities, [3, 2]).tolist() == [1, 2, 0, 3, 4]


def test_plain_tags_follow_one_another_as_they_like():
    probabilities = torch.rand(50, 3, generator=torch.Generator().manual_seed(0))
    found = Grammar.of(SCHEMES["plain"], "plain").best(probabilities, [20, 30])
    assert torch.equal(found, probabilities.argmax(dim=1))


def test_texts_without_words_and_no_texts_have_no_tags():
    grammar = Grammar.of(BIO, "bio")
    assert grammar.best(torch.empty(0, 5), []).tolist() == []
    assert grammar.best(torch.tensor([[0.1, 0.1, 0.6, 0.1, 0.1]]), [0, 1]).tolist() != [2]


def test_labels_that_leave_no_way_still_have_a_best_one():
    """With B-X alone an entity of bioes is never ended."""
    assert Grammar.of(("B-X", "I-X"), "bioes").best(torch.tensor([[0.3, 0.7]]), [1]).tolist() == [0]


def test_certain_probabilities_are_no_infinite_ones():
    probabilities = torch.eye(5)[[2, 2, 0]]
    found = Grammar.of(BIO, "bio").best(probabilities, [3])
    assert keeps_to([BIO[k] for k in found.tolist()], "bio")
