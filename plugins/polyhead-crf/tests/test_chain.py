"""The chain's maths against all sequences of tags, one by one.

Dimensions: B texts, T words, K tags.
"""

from itertools import product

import pytest
import torch
from polyhead_crf import Chain
from torch.autograd import gradcheck

LENGTHS = torch.tensor([4, 1, 3, 2])


def drawn(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return 2 * torch.randn(*shape, generator=generator, dtype=torch.float64)


def a_chain(n_tags=3, seed=1):
    return Chain(
        drawn(n_tags, seed=seed),
        drawn(n_tags, n_tags, seed=seed + 1),
        drawn(n_tags, seed=seed + 2),
    )


def a_score(chain, emissions_TK, tags):
    """The definition, word by word."""
    total = chain.first[tags[0]] + chain.last[tags[-1]]
    for place, tag in enumerate(tags):
        total = total + emissions_TK[place, tag]
        if place:
            total = total + chain.following[tags[place - 1], tag]
    return total


def all_scores(chain, emissions_TK):
    """The score of every sequence of tags."""
    n_words, n_tags = emissions_TK.shape
    return {
        tags: a_score(chain, emissions_TK, tags) for tags in product(range(n_tags), repeat=n_words)
    }


@pytest.fixture(params=[2, 3, 4])
def chain(request):
    return a_chain(request.param)


@pytest.fixture
def emissions(chain):
    """Of four texts, the places beyond their ends full of large numbers."""
    values_BTK = drawn(4, 4, len(chain.first), seed=5)
    for row, length in enumerate(LENGTHS.tolist()):
        values_BTK[row, length:] = 1e6
    return values_BTK


def texts_of(emissions):
    return [own[:length] for own, length in zip(emissions, LENGTHS.tolist(), strict=True)]


def test_the_score_of_tags_is_the_sum_of_their_parts(chain, emissions):
    tags_BT = torch.randint(len(chain.first), (4, 4), generator=torch.Generator().manual_seed(0))
    expected = [
        a_score(chain, text, tags[: len(text)].tolist())
        for text, tags in zip(texts_of(emissions), tags_BT, strict=True)
    ]
    torch.testing.assert_close(chain.score(emissions, LENGTHS, tags_BT), torch.stack(expected))


def test_the_partition_is_the_sum_over_all_sequences(chain, emissions):
    expected = [
        torch.stack(list(all_scores(chain, text).values())).logsumexp(dim=0)
        for text in texts_of(emissions)
    ]
    torch.testing.assert_close(chain.log_partition(emissions, LENGTHS), torch.stack(expected))


def test_the_best_tags_are_those_of_all_sequences_with_the_greatest_score(chain, emissions):
    found = chain.best(emissions, LENGTHS)
    for text, tags in zip(texts_of(emissions), found.tolist(), strict=True):
        scores = all_scores(chain, text)
        assert tuple(tags[: len(text)]) == max(scores, key=scores.__getitem__)


def test_marginals_are_the_shares_of_all_sequences_with_a_tag(chain, emissions):
    found = chain.marginals(emissions, LENGTHS)
    for text, shares_TK in zip(texts_of(emissions), found, strict=True):
        scores = all_scores(chain, text)
        total = torch.stack(list(scores.values())).logsumexp(dim=0)
        expected_TK = torch.zeros_like(text)
        for tags, score in scores.items():
            for place, tag in enumerate(tags):
                expected_TK[place, tag] += (score - total).exp()
        torch.testing.assert_close(shares_TK[: len(text)], expected_TK)
        sums_T = shares_TK[: len(text)].sum(dim=1)
        torch.testing.assert_close(sums_T, torch.ones_like(sums_T))


def test_marginals_are_the_gradient_of_the_partition(chain, emissions):
    emissions.requires_grad_()
    chain.log_partition(emissions, LENGTHS).sum().backward()
    found = chain.marginals(emissions.detach(), LENGTHS)
    for shares_TK, gradient_TK, length in zip(found, emissions.grad, LENGTHS, strict=True):
        torch.testing.assert_close(shares_TK[:length], gradient_TK[:length])
        assert not gradient_TK[length:].any()


def test_gradients_are_those_of_small_steps():
    def loss(first, following, last, emissions):
        chain = Chain(first, following, last)
        return chain.log_partition(emissions, LENGTHS) - chain.score(emissions, LENGTHS, tags_BT)

    chain = a_chain()
    tags_BT = torch.randint(3, (4, 4), generator=torch.Generator().manual_seed(1))
    inputs = (chain.first, chain.following, chain.last, drawn(4, 4, 3, seed=9))
    assert gradcheck(loss, [values.clone().requires_grad_() for values in inputs])


def test_a_text_has_the_same_answer_alone_and_beside_longer_ones(chain, emissions):
    for row, text in enumerate(texts_of(emissions)):
        alone, length = text.unsqueeze(0), LENGTHS[row : row + 1]
        n_words = len(text)
        for of in (chain.best, chain.marginals):
            together = of(emissions, LENGTHS)[row, :n_words]
            torch.testing.assert_close(of(alone, length)[0], together)
        torch.testing.assert_close(
            chain.log_partition(alone, length)[0], chain.log_partition(emissions, LENGTHS)[row]
        )


def test_the_partition_is_never_below_the_score_of_the_best_tags(chain, emissions):
    best_B = chain.score(emissions, LENGTHS, chain.best(emissions, LENGTHS))
    assert (chain.log_partition(emissions, LENGTHS) >= best_B).all()


def test_a_long_text_in_float32_is_as_exact_as_a_short_one():
    """A word's gradient is its marginal, whatever the sum over thousands of words is."""
    n_words = 3000
    chain = a_chain(5)
    emissions_BTK = drawn(1, n_words, 5, seed=3) + 10
    lengths = torch.tensor([n_words])
    exact = chain.marginals(emissions_BTK, lengths)
    rounded = emissions_BTK.float().requires_grad_()
    single = Chain(chain.first.float(), chain.following.float(), chain.last.float())
    single.log_partition(rounded, lengths).sum().backward()
    torch.testing.assert_close(rounded.grad.double(), exact, atol=2e-5, rtol=0)


def test_forbidden_steps_have_no_share_and_no_gradient():
    chain = a_chain()
    following = chain.following.clone()
    following[0, 1] = -1e4
    chain = Chain(chain.first, following.requires_grad_(), chain.last)
    emissions_BTK = drawn(1, 2, 3)
    emissions_BTK[0, 0, 0] = emissions_BTK[0, 1, 1] = 50.0
    lengths = torch.tensor([2])
    chain.log_partition(emissions_BTK, lengths).sum().backward()
    assert following.grad[0, 1] == 0
    shares_BTK = chain.marginals(emissions_BTK, lengths).detach()
    assert shares_BTK[0, 0, 0] * shares_BTK[0, 1, 1] < 0.3
    assert chain.best(emissions_BTK, lengths)[0].tolist() != [0, 1]


def test_equal_scores_go_to_the_lower_number():
    zeros = torch.zeros(3)
    chain = Chain(zeros, torch.zeros(3, 3), zeros)
    assert chain.best(torch.zeros(1, 4, 3), torch.tensor([4])).tolist() == [[0, 0, 0, 0]]


@pytest.mark.parametrize("field", ["first", "following", "last"])
@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
def test_a_chain_tells_whether_its_scores_are_finite(field, bad):
    chain = a_chain()
    assert chain.is_finite()
    getattr(chain, field)[..., 1] = bad
    assert not chain.is_finite()
