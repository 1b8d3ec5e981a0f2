"""The matrix products that torch has here."""

import pytest
import torch

from polyhead.bench.kernels import Kernel, kernels, layer_sizes, operand


@pytest.mark.parametrize("kernel", kernels(torch.float32), ids=lambda kernel: kernel.name)
def test_every_kernel_multiplies(kernel):
    inputs, weight = operand(5, 32, torch.float32), operand(48, 32, torch.float32)
    torch.testing.assert_close(
        kernel.prepared(weight, 5)(inputs), inputs @ weight.T, atol=1e-4, rtol=1e-4
    )


@pytest.mark.parametrize("kernel", kernels(torch.int8), ids=lambda kernel: kernel.name)
def test_every_integer_kernel_multiplies_exactly(kernel):
    # a quarter of the range: without instructions for it, larger sums would be cut off
    inputs, weight = operand(5, 32, torch.int8) // 4, operand(48, 32, torch.int8) // 4
    found = kernel.prepared(weight, 5)(kernel.read(inputs))
    assert torch.equal(found.int(), inputs.int() @ weight.int().T)


def test_integers_use_their_range():
    assert operand(48, 32, torch.int8).abs().max() > 100


def test_a_kernel_that_fails_here_is_left_out(monkeypatch):
    def absent(weight, n_rows):
        raise RuntimeError("this processor does not have it")

    plain = kernels(torch.float32)[0]
    monkeypatch.setattr("polyhead.bench.kernels._FLOAT", (plain, Kernel("absent", absent)))
    assert kernels(torch.float32) == (plain,)


def test_operands_leave_the_callers_random_numbers_alone():
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    operand(8, 8, torch.float32)
    operand(8, 8, torch.int8)
    assert torch.equal(torch.rand(1), expected)


def test_a_layer_has_four_products(tiny_model):
    assert layer_sizes(tiny_model.shape) == ((32, 96), (32, 32), (32, 48), (48, 32))
