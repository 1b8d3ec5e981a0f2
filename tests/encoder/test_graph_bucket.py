"""Batches of similar size share memory: how much, and what lies in it."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from polyhead.batch import Packing
from polyhead.contracts import LayerStep
from polyhead.encoder import DistilBertConfig, Encoder
from polyhead.encoder.graph_bucket import BucketSize, GraphBucket, Run


@given(st.lists(st.integers(1, 512), min_size=1, max_size=300).map(tuple))
def test_a_batch_fits_its_size(lengths):
    packing = Packing(lengths)
    size = BucketSize.of(packing, 10**6)
    assert size.tokens >= packing.n_tokens
    assert size.rows >= packing.n_rows
    assert size.longest >= max(lengths)
    assert size.tokens <= max(64, packing.n_tokens * 3 / 2)


@pytest.mark.parametrize(
    ("n_tokens", "expected"),
    [(1, 64), (64, 64), (65, 96), (97, 128), (129, 192), (193, 256), (2049, 3072), (3073, 4000)],
)
def test_tokens_are_rounded_up_by_half_at_most_and_to_no_more_than_allowed(n_tokens, expected):
    assert BucketSize.of(Packing((n_tokens,)), 4000).tokens == expected


def test_rows_and_lengths_are_rounded_up_to_powers_of_two():
    assert BucketSize.of(Packing((3,) * 17), 100) == (64, 32, 128)
    assert BucketSize.of(Packing((129, 1)), 1000) == (192, 16, 256)


def test_no_token_and_too_many_have_no_size():
    assert BucketSize.of(Packing(()), 10) is None
    assert BucketSize.of(Packing((11,)), 10) is None
    assert BucketSize.of(Packing((10,)), 10).tokens == 10


def test_rows_without_tokens_stand_behind_those_of_a_batch():
    starts = []

    def kernel(query, key, value, *bounds):
        starts.append(bounds[0].tolist())
        return query

    layer = Encoder(DistilBertConfig(n_layers=1, dim=8, n_heads=1, hidden_dim=8)).layers[0]
    bucket = GraphBucket(
        BucketSize(16, 4, 8), torch.zeros(1, 8), kernel, lambda compute, own: lambda: compute(*own)
    )
    run = Run(0, LayerStep.START, LayerStep.ATTENTION)
    hidden = torch.randn(5, 8)
    attended, passed_on = bucket.run(run, layer, (hidden,), Packing((3, 2)))
    assert attended.shape == (5, 8)
    assert torch.equal(passed_on, hidden)
    assert passed_on.data_ptr() == hidden.data_ptr()  # not what the next batch is written to
    bucket.run(run, layer, (hidden[:1],), Packing((1,)))
    assert starts == [[0, 3, 5, 5, 5], [0, 1, 1, 1, 1]]
