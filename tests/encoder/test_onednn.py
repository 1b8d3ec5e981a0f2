"""Packed products are used only where this torch has them and they are right."""

import pytest
import torch
from torch.nn import functional

from polyhead.encoder import onednn

TOLERANCE = {torch.float32: {"atol": 1e-4, "rtol": 1e-5}, torch.bfloat16: {"atol": 0.1, "rtol": 0}}


@pytest.fixture(autouse=True)
def asked_afresh():
    onednn.is_there.cache_clear()
    yield
    onednn.is_there.cache_clear()


@pytest.fixture(params=[torch.float32, torch.bfloat16], ids=str)
def dtype(request):
    if not onednn.is_there(request.param):
        pytest.skip("torch has no packed products of this type here")
    return request.param


@pytest.mark.parametrize("n_tokens", [1, 3, 100])
@pytest.mark.parametrize("shape", [(1, 1), (5, 3), (48, 32), (96, 384)], ids=str)
def test_products_are_those_of_torch(dtype, shape, n_tokens):
    weight, bias = torch.randn(shape, dtype=dtype), torch.randn(shape[0], dtype=dtype)
    inputs = torch.randn(n_tokens, shape[1], dtype=dtype) / shape[1] ** 0.5
    packed = onednn.packed(weight)
    expected = functional.linear(inputs, weight, bias)
    found = onednn.product(inputs, packed, bias)
    torch.testing.assert_close(found, expected, **TOLERANCE[dtype])
    found = onednn.product(inputs, packed, bias, gelu=True)
    torch.testing.assert_close(found, functional.gelu(expected), **TOLERANCE[dtype])
    found = onednn.product(inputs, packed, None)
    torch.testing.assert_close(found, functional.linear(inputs, weight), **TOLERANCE[dtype])


def test_what_is_packed_is_a_copy(dtype):
    weight, inputs = torch.randn(48, 32, dtype=dtype), torch.randn(3, 32, dtype=dtype)
    packed = onednn.packed(weight)
    before = onednn.product(inputs, packed, None)
    weight.zero_()
    assert torch.equal(onednn.product(inputs, packed, None), before)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.int8])
def test_there_are_none_of_other_types(dtype):
    assert not onednn.is_there(dtype)


def test_there_are_none_without_onednn(monkeypatch):
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    assert not onednn.is_there(torch.float32)


@pytest.mark.parametrize("error", [RuntimeError, AttributeError, TypeError])
@pytest.mark.parametrize("name", ["packed", "product"])
def test_there_are_none_where_torch_has_no_such_operators(monkeypatch, name, error):
    def missing(*args, **options):
        raise error

    monkeypatch.setattr(onednn, name, missing)
    assert not onednn.is_there(torch.float32)


@pytest.mark.parametrize("wrong_in", [{}, {"gelu": True}], ids=["plain", "gelu"])
def test_wrong_ones_are_not_used(monkeypatch, wrong_in):
    def wrong(inputs, weight, bias, **options):
        outputs = functional.linear(inputs, weight, bias)
        outputs = functional.gelu(outputs) if options.get("gelu") else outputs
        return outputs + 0.1 if options.get("gelu", False) == bool(wrong_in) else outputs

    monkeypatch.setattr(onednn, "packed", lambda weight: weight)
    monkeypatch.setattr(onednn, "product", wrong)
    assert not onednn.is_there(torch.float32)


@pytest.mark.parametrize(
    "around",
    [
        lambda: torch.autocast("cpu"),
        lambda: torch.device("meta"),
        torch.inference_mode,
        torch.no_grad,
        torch.enable_grad,
    ],
    ids=["autocast", "meta", "inference", "no_grad", "enable_grad"],
)
def test_it_does_not_matter_where_it_is_asked_first(dtype, around):
    onednn.is_there.cache_clear()
    with around():
        assert onednn.is_there(dtype)


def test_asking_draws_no_random_numbers(dtype):
    onednn.is_there.cache_clear()
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    onednn.is_there(dtype)
    assert torch.equal(torch.rand(3), expected)
