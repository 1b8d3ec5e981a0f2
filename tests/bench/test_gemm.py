"""The rate of the machine's products."""

import pytest
import torch

from polyhead.bench import GemmPeak, GemmSweep, flops_per_token, gemm_peak, measured_peak
from polyhead.bench.kernels import kernels
from polyhead.contracts import EncoderShape

BASE = EncoderShape(
    width=768, n_layers=6, n_heads=12, ffn_width=3072, max_positions=512, vocab_size=30522
)


@pytest.fixture
def one_kernel(monkeypatch):
    monkeypatch.setattr("polyhead.bench.gemm.kernels", lambda dtype: kernels(dtype)[:1])


def test_a_token_takes_two_operations_for_each_weight():
    assert flops_per_token(BASE) == 2 * 6 * (4 * 768 * 768 + 2 * 768 * 3072) == 84_934_656


def test_the_highest_rate_counts(tiny_model, one_kernel, times):
    shape = tiny_model.shape
    # four products of 10 rows, then of 40: the latter take three times as long, not four
    times("gemm", [1.0] * 4 + [3.0] * 4)
    peak = measured_peak(shape, torch.float32, n_rows=(10, 40), repeats=1)
    rate = flops_per_token(shape) / shape.n_layers * 40 / 12
    assert peak == GemmPeak(pytest.approx(rate), "linear", 40, "float32")


def test_the_median_of_each_product_counts(tiny_model, one_kernel, times):
    shape = tiny_model.shape
    times("gemm", [1, 1, 1, 1, 9, 1, 1, 1, 1, 1, 1, 9])  # another one is disturbed each time
    peak = measured_peak(shape, torch.float32, n_rows=(10,), repeats=3)
    assert peak.flops_per_s == pytest.approx(flops_per_token(shape) / shape.n_layers * 10 / 4)


def test_every_kernel_and_number_of_rows_is_tried(tiny_model, times):
    n_products = len(kernels(torch.float32)) * 2 * 4
    seconds = [1.0] * (n_products - 4) + [0.01] * 4
    times("gemm", seconds)
    sweep = GemmSweep(tiny_model.shape, torch.float32, n_rows=(10, 20))
    sweep.round()
    peak = sweep.peak()
    assert (peak.kernel, peak.n_rows) == (kernels(torch.float32)[-1].name, 20)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.int8])
def test_this_machine_has_a_rate(dtype, tiny_model):
    peak = measured_peak(tiny_model.shape, dtype, n_rows=(16,), repeats=1)
    assert peak.flops_per_s > 0
    assert f"torch.{peak.dtype}" == str(dtype)


def test_the_rate_alone_is_a_number(tiny_model, monkeypatch):
    peak = GemmPeak(5.0, "linear", 256, "float32")
    monkeypatch.setattr("polyhead.bench.gemm.measured_peak", lambda shape, dtype: peak)
    assert gemm_peak(tiny_model.shape, torch.float32) == 5.0
