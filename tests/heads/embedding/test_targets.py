import torch

from polyhead.batch import Row
from polyhead.heads.embedding.targets import PairTargets, pair_targets, row_targets

A, B, C, D = (Row((2, number, 3)) for number in (10, 11, 12, 13))


def test_the_rows_of_a_batch_are_found_again():
    batch = [row_targets([A, B], None), row_targets([A, C, D, B], None), row_targets([D, C], None)]
    found = PairTargets.of(torch.cat(batch))
    assert found.first.tolist() == [0, 2, 6]
    assert found.second.tolist() == [1, 3, 7]
    assert found.negatives.tolist() == [4, 5]
    assert found.scores.isnan().tolist() == [True] * 3


def test_scores_keep_their_precision():
    found = PairTargets.of(torch.cat([row_targets([A, B], 0.1), row_targets([A, C], 4.75)]))
    assert found.scores.tolist() == [0.1, 4.75]


def test_rows_of_the_same_tokens_have_the_same_key_and_others_another():
    keys = PairTargets.of(row_targets([A, B, Row(A.ids, n_dropped=1), C], None)).keys
    assert keys[0] == keys[2]
    assert len(set(keys.tolist())) == 3


def test_many_keys_are_exact_and_apart():
    rows = [Row((2, number, 3)) for number in range(5000)]
    keys = row_targets(rows, None)[:, 0]
    assert len(set(keys.tolist())) == 5000
    assert torch.equal(keys, keys.long().double())


def test_rows_of_a_padded_batch_are_pairs_in_turn():
    found = PairTargets.of(pair_targets(torch.tensor([7, 8, 7, 9]), torch.tensor([0.5, 2.0])))
    assert found.keys.tolist() == [7, 8, 7, 9]
    assert found.first.tolist() == [0, 2]
    assert found.second.tolist() == [1, 3]
    assert found.negatives.tolist() == []
    assert found.scores.tolist() == [0.5, 2]
    assert PairTargets.of(pair_targets(torch.tensor([7, 8]), None)).scores.isnan().all()
