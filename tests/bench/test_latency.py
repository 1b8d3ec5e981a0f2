"""Single texts beside bare products."""

import pytest
import torch

from polyhead.bench import flops_per_token
from polyhead.bench.bare_products import BareProducts
from polyhead.bench.kernels import kernels
from polyhead.bench.latency import LatencyRounds
from polyhead.bench.residents import Residents


@pytest.fixture
def single(tiny_model, two_labels):
    tiny_model.add_head("bench", two_labels, adapter=None)
    Residents(tiny_model, "seq_bn", 1, seed=0)
    return LatencyRounds(tiny_model, "bench", "resident0", torch.float32, lengths=(500, 60, 100))


def test_median_and_p95_stand_beside_the_products(single, times):
    n_kernels = len(kernels(torch.float32))
    n_calls = 1024 // 60, 1024 // 100
    times("latency", [s for n in n_calls for s in (*([2.0] * (n - 1)), 8.0)])
    by_kernel = [1.0 + n_kernels - number for number in range(n_kernels)]
    times("bare_products", [s for n in n_calls for s in by_kernel for _ in range(n)])
    single.round()
    short, long = single.results()  # the model takes 128 tokens
    assert (short.n_tokens, short.n_calls, long.n_tokens, long.n_calls) == (60, 17, 100, 10)
    assert (short.median_s, short.p95_s) == (2.0, 8.0)
    assert short.products_s == 2.0  # of the fastest kernel
    assert short.times_products == 1.0


def test_rounds_add_up(single):
    for _ in range(2):
        single.round()
    assert [each.n_calls for each in single.results()] == [34, 20]


def test_the_products_are_all_of_the_encoders(tiny_model):
    products = BareProducts(tiny_model.shape, torch.float32)
    n_weights = sum(weight.numel() for weight in products._weights)
    assert 2 * n_weights == flops_per_token(tiny_model.shape)
    found = products.seconds(7, 3)
    assert list(found) == [kernel.name for kernel in kernels(torch.float32)]
    assert {len(seconds) for seconds in found.values()} == {3}
