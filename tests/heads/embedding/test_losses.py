import math

import pytest
import torch
from torch.nn import functional

from polyhead.batch import Row
from polyhead.heads.embedding.losses import cosent_loss, cosine_loss, in_batch_loss, pair_cosines
from polyhead.heads.embedding.targets import PairTargets, row_targets


def batch(*examples):
    """Targets of examples that are given by the numbers of their texts."""
    rows = [[Row((number,)) for number in example] for example in examples]
    return PairTargets.of(torch.cat([row_targets(own, None) for own in rows]))


def vectors(n, seed=0):
    return torch.randn(n, 5, generator=torch.Generator().manual_seed(seed))


def in_batch(embeddings, pairs, *, scale=3.0, symmetric=False):
    return in_batch_loss(embeddings, pairs, scale=scale, symmetric=symmetric)


def by_hand(cosines, own, wrong, scale=3.0):
    """Cross entropy of one query."""
    terms = [math.exp(scale * float(cosines[place])) for place in (own, *wrong)]
    return -math.log(terms[0] / sum(terms))


def test_each_text_is_to_find_its_own_partner_among_all():
    rows = vectors(7)
    pairs = batch((1, 2), (3, 4, 5), (6, 7))
    unit = functional.normalize(rows, dim=1)
    candidates = unit[[1, 3, 6, 4]]
    expected = [
        by_hand(candidates @ unit[first], own, {0, 1, 2, 3} - {own})
        for own, first in enumerate((0, 2, 5))
    ]
    found = in_batch(rows, pairs)
    assert found.item() == pytest.approx(sum(expected) / 3, rel=1e-4)


def test_equal_second_texts_are_no_negatives_of_each_other():
    rows = vectors(6)
    unit = functional.normalize(rows, dim=1)
    candidates = unit[[1, 3, 5]]
    expected = [
        by_hand(candidates @ unit[0], 0, {2}),
        by_hand(candidates @ unit[2], 1, {2}),
        by_hand(candidates @ unit[4], 2, {0, 1}),
    ]
    found = in_batch(rows, batch((1, 9), (2, 9), (3, 4)))
    assert found.item() == pytest.approx(sum(expected) / 3, rel=1e-4)


def test_all_partners_of_one_text_are_right():
    rows = vectors(8)
    unit = functional.normalize(rows, dim=1)
    candidates = unit[[1, 3, 5, 6]]  # the last is a negative: the partner of an equal text
    expected = [
        by_hand(candidates @ unit[0], 0, {2}),
        by_hand(candidates @ unit[2], 1, {2}),
        by_hand(candidates @ unit[4], 2, {0, 1, 3}),
    ]
    found = in_batch(rows[:7], batch((1, 8), (1, 9), (3, 4, 9)))
    assert found.item() == pytest.approx(sum(expected) / 3, rel=1e-4)


def test_a_text_itself_is_no_wrong_answer():
    rows = vectors(4)
    unit = functional.normalize(rows, dim=1)
    candidates = unit[[1, 3]]
    expected = [0.0, by_hand(candidates @ unit[2], 1, {0})]
    found = in_batch(rows, batch((1, 2), (3, 1)))
    assert found.item() == pytest.approx(sum(expected) / 2, rel=1e-4)


def test_the_symmetric_loss_is_the_mean_of_both_ways():
    rows = vectors(6)
    pairs = batch((1, 2), (3, 4), (5, 6))
    turned = rows[[1, 0, 3, 2, 5, 4]]
    expected = (in_batch(rows, pairs) + in_batch(turned, pairs)) / 2
    torch.testing.assert_close(in_batch(rows, pairs, symmetric=True), expected)


def test_one_pair_alone_has_nothing_to_learn_from():
    rows = vectors(2).requires_grad_()
    loss = in_batch(rows, batch((1, 2)))
    loss.backward()
    assert loss.item() == 0
    assert not rows.grad.any()


def test_the_scale_multiplies_the_cosines():
    rows = vectors(4)
    pairs = batch((1, 2), (3, 4))
    unit = functional.normalize(rows, dim=1)
    scores = 20 * unit[[0, 2]] @ unit[[1, 3]].T
    expected = functional.cross_entropy(scores, torch.tensor([0, 1]))
    torch.testing.assert_close(in_batch(rows, pairs, scale=20.0), expected)


@pytest.mark.parametrize("symmetric", [False, True])
def test_lengths_do_not_matter_and_gradients_are_finite(symmetric):
    pairs = batch((1, 9), (2, 9, 7), (1, 4, 7))
    rows = vectors(8).requires_grad_()
    loss = in_batch(rows, pairs, symmetric=symmetric)
    lengths = torch.arange(1.0, 9).unsqueeze(1)
    torch.testing.assert_close(in_batch(rows * lengths, pairs, symmetric=symmetric), loss)
    loss.backward()
    assert rows.grad.isfinite().all()
    assert rows.grad.any()


def test_cosent_compares_every_two_pairs_of_different_score():
    cosines = torch.tensor([0.9, 0.1, 0.5, 0.3])
    scores = torch.tensor([1.0, 3.0, 3.0, 0.0])
    wrong_way = [(0, 1), (0, 2), (3, 0), (3, 1), (3, 2)]  # the first one has the lower score
    terms = [math.exp(20 * float(cosines[i] - cosines[j])) for i, j in wrong_way]
    found = cosent_loss(cosines, scores, scale=20.0)
    assert found.item() == pytest.approx(math.log(1 + sum(terms)), rel=1e-5)


def test_cosent_knows_only_the_order_of_the_scores():
    cosines, scores = torch.linspace(-1, 1, 6), torch.tensor([0.0, 2.0, 1.0, 4.0, 4.0, 3.0])
    found = cosent_loss(cosines, scores, scale=5.0)
    torch.testing.assert_close(found, cosent_loss(cosines, scores * 100 - 7, scale=5.0))
    assert not torch.equal(found, cosent_loss(cosines, -scores, scale=5.0))


def test_cosent_of_equal_scores_is_zero():
    assert cosent_loss(torch.tensor([0.2, 0.9]), torch.ones(2), scale=20.0).item() == 0


def test_the_cosine_loss_is_the_mean_squared_difference():
    scores = torch.tensor([0.0, 1.0], dtype=torch.float64)
    assert cosine_loss(torch.tensor([0.5, 0.5]), scores).item() == 0.25


def test_pair_cosines_are_computed_in_float32():
    rows = vectors(4).to(torch.bfloat16)
    found = pair_cosines(rows, batch((1, 2), (3, 4)))
    expected = functional.cosine_similarity(rows[0::2].float(), rows[1::2].float())
    torch.testing.assert_close(found, expected)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_losses_equal_those_of_sentence_transformers():
    theirs = pytest.importorskip("sentence_transformers.sentence_transformer.losses")
    rows = vectors(9)
    # each of their examples has as many negatives
    embeddings = [rows[0::3], rows[1::3], rows[2::3]]
    pairs = batch((1, 2, 3), (4, 5, 6), (7, 8, 9))
    expected = theirs.MultipleNegativesRankingLoss(None).compute_loss_from_embeddings(
        embeddings, None
    )
    torch.testing.assert_close(in_batch(rows, pairs, scale=20.0), expected)
    scores = torch.tensor([0.2, 0.9, 0.5])
    cosines = pair_cosines(rows, pairs)
    for loss, found in (
        (theirs.CoSENTLoss(None), cosent_loss(cosines, scores, scale=20.0)),
        (theirs.CosineSimilarityLoss(None), cosine_loss(cosines, scores)),
    ):
        torch.testing.assert_close(loss.compute_loss_from_embeddings(embeddings[:2], scores), found)
