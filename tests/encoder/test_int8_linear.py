"""A layer in 8 bits rounds as it says, token by token, and its sums are exact everywhere."""

import copy
import pickle
import platform
import subprocess
import sys

import pytest
import torch
from torch import nn
from torch.nn import functional

from polyhead.encoder import int8_linear
from polyhead.encoder.int8_linear import Int8Linear

SHAPES = [(1, 1), (3, 5), (32, 48), (65, 37), (384, 1152)]
EXACT = {"atol": 1e-6, "rtol": 1e-6}
"""Sums are whole numbers; what is multiplied and added to them may differ in its last place."""

AVX2_PROCESS = """
import pickle, sys
import torch
from torch import nn
from torch.nn import functional
from polyhead.encoder.int8_linear import Int8Linear

def check(layer, inputs):
    exact = (layer.weight.double() @ inputs.double().t()).t() + layer.bias.double()
    scale = inputs.abs().amax(1, keepdim=True).double()
    assert bool(((layer(inputs).double() - exact).abs() <= 1e-5 * scale * len(inputs[0])).all())

for read, written in ((64, 48), (768, 3072), (3072, 768), (33, 7)):
    linear = nn.Linear(read, written).requires_grad_(False)
    torch.nn.init.ones_(linear.weight)  # the largest sums there can be
    linear.weight[1::2] = -1
    for n_tokens in (1, 2, 16, 100):
        inputs = torch.ones(n_tokens, read)
        inputs[::2] = -1
        check(Int8Linear(linear), inputs)
with open(sys.argv[1], "rb") as file:
    layer = pickle.load(file)
check(layer, torch.ones(9, layer.rounded.shape[1]))
"""


def pickled(it):
    return pickle.loads(pickle.dumps(it))  # noqa: S301 - our own bytes


def linear(read=32, written=48, seed=0):
    torch.manual_seed(seed)
    return nn.Linear(read, written).requires_grad_(False)


def expected(layer, inputs):
    """What the class says it computes, in float64."""
    inputs = inputs.detach().double()
    scale = inputs.abs().amax(1, keepdim=True).clamp(min=1e-12) / 127
    sums = (inputs / scale).round() @ layer.rounded.double().t()
    return sums * scale * layer.scale.double() + layer.bias.double()


@pytest.fixture(params=["packed", "plain"])
def products(request, monkeypatch):
    """With oneDNN's products of 8 bits, and without."""
    if request.param == "plain":
        monkeypatch.setattr(int8_linear, "_has_packed_products", lambda levels: False)
    return request.param


@pytest.fixture(params=[127, 63])
def levels(request, monkeypatch):
    """Where products are summed in 32 bits at once, and where they are not."""
    if request.param == 63:
        monkeypatch.setattr(int8_linear, "has_whole_dot_products", lambda: False)
    elif int8_linear._levels() != 127:
        pytest.skip("this processor sums products of 8 bits in 16 first")
    return request.param


@pytest.mark.parametrize("n_tokens", [0, 1, 2, 7, 64])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_it_computes_the_rounded_product(products, shape, n_tokens):
    layer = Int8Linear(linear(*shape))
    inputs = torch.randn(n_tokens, shape[0])
    found = layer(inputs)
    assert found.dtype is torch.float32
    if n_tokens:
        torch.testing.assert_close(found.double(), expected(layer, inputs), atol=1e-4, rtol=1e-4)
    assert found.shape == (n_tokens, shape[1])


def test_rounding_costs_no_more_than_half_a_step_of_each_number(products):
    given, inputs = linear(384, 96), torch.randn(50, 384)
    inputs[7, 3] = 1e4  # an outlier costs its own token its steps, and no other
    layer = Int8Linear(given)
    step = inputs.abs().amax(1, keepdim=True) / 127
    most = 0.51 * step * layer.weight.abs().sum(1) + 0.51 * layer.scale * inputs.abs().sum(1, True)
    assert ((layer(inputs) - given(inputs)).abs() <= most).all()
    others = torch.arange(50) != 7
    assert (layer(inputs) - given(inputs))[others].abs().max() < 0.1


def test_gelu_is_that_of_the_product():
    layer, inputs = Int8Linear(linear()), torch.randn(9, 32)
    torch.testing.assert_close(layer(inputs, gelu=True), functional.gelu(layer(inputs)), **EXACT)


def test_without_onednn_the_numbers_are_the_same(levels, monkeypatch):
    layer, inputs = Int8Linear(linear(384, 1152)), torch.randn(20, 384)
    assert int(layer.rounded.abs().max()) == levels
    packed = layer(inputs)
    monkeypatch.setattr(int8_linear, "_has_packed_products", lambda levels: False)
    torch.testing.assert_close(layer(inputs), packed, **EXACT)


def test_without_onednn_weights_have_all_levels(monkeypatch):
    monkeypatch.setattr(int8_linear, "has_whole_dot_products", lambda: False)
    monkeypatch.setattr(int8_linear, "_has_packed_products", lambda levels: False)
    assert int(Int8Linear(linear()).rounded.abs().max()) == 127


def test_products_that_come_out_wrong_are_not_used(monkeypatch):
    int8_linear._has_packed_products.cache_clear()
    right = int8_linear._packed_sums
    monkeypatch.setattr(int8_linear, "_packed_sums", lambda *args: right(*args) - 1)
    try:
        assert not int8_linear._has_packed_products(127)
        torch.testing.assert_close(
            Int8Linear(linear())(torch.zeros(3, 32)), linear().bias.expand(3, 48), **EXACT
        )
    finally:
        int8_linear._has_packed_products.cache_clear()


@pytest.mark.parametrize("error", [RuntimeError, AttributeError, TypeError])
def test_products_that_torch_does_not_have_are_not_used(monkeypatch, error):
    int8_linear._has_packed_products.cache_clear()

    def missing(*args):
        raise error

    monkeypatch.setattr(int8_linear, "_packed_sums", missing)
    try:
        layer, inputs = Int8Linear(linear()), torch.randn(3, 32)
        torch.testing.assert_close(
            layer(inputs).double(), expected(layer, inputs), atol=1e-4, rtol=1e-4
        )
    finally:
        int8_linear._has_packed_products.cache_clear()


def test_the_largest_sums_are_exact(levels, products):
    given = linear(3072, 16)
    nn.init.ones_(given.weight)
    given.weight[1::2] = -1
    inputs = torch.ones(6, 3072)
    inputs[::2] = -1
    torch.testing.assert_close(Int8Linear(given)(inputs), given(inputs), atol=1e-2, rtol=1e-5)


def test_a_token_does_not_depend_on_its_batch_mates(products):
    layer, inputs = Int8Linear(linear(384, 1155)), torch.randn(70, 384)
    inputs[5], inputs[9] = 1e30, 0
    together = layer(inputs)
    for n_tokens in (1, 2, 3, 16, 33):
        torch.testing.assert_close(layer(inputs[:n_tokens]), together[:n_tokens], **EXACT)
    alone = torch.cat([layer(token) for token in inputs.split(1)])
    torch.testing.assert_close(alone, together, **EXACT)
    order = torch.randperm(70)
    torch.testing.assert_close(layer(inputs[order]), together[order], **EXACT)


def test_a_token_of_zeros_gives_the_bias(products):
    layer = Int8Linear(linear())
    found = layer(torch.zeros(2, 32))
    assert torch.equal(found, layer.bias.expand(2, 48))


@pytest.mark.parametrize("size", [1e-38, 1e-20, 1e-12, 1e-3, 1e4, 1e30, 3e38])
def test_numbers_of_any_size_come_out_right(products, size):
    given = linear()
    given.bias.zero_()
    layer, inputs = Int8Linear(given), torch.randn(4, 32).clamp(-1, 1) * size
    found = layer(inputs).double()
    within = 0.03 * size * given.weight.abs().sum(1).double()
    assert ((found - given.double()(inputs.double())).abs() <= within + 1e-12).all()


@pytest.mark.parametrize("gelu", [False, True])
@pytest.mark.parametrize("odd", [torch.nan, torch.inf, -torch.inf])
def test_a_token_that_is_not_finite_comes_out_so_and_alone(products, odd, gelu):
    layer, inputs = Int8Linear(linear()), torch.randn(6, 32)
    clean = layer(inputs, gelu=gelu)
    inputs[2, 5] = odd
    inputs[4] = odd
    found = layer(inputs, gelu=gelu)
    assert not found[[2, 4]].isfinite().any()
    torch.testing.assert_close(found[[0, 1, 3, 5]], clean[[0, 1, 3, 5]], **EXACT)


@pytest.mark.parametrize("odd", [torch.nan, torch.inf])
def test_a_weight_that_is_not_finite_makes_no_finite_number(products, odd):
    given = linear()
    given.weight[7, 3] = odd
    found = Int8Linear(given)(torch.randn(4, 32))
    assert not found[:, 7].isfinite().any()
    assert found[:, :7].isfinite().all()


def test_a_weight_of_zeros_gives_the_bias(products):
    given = linear()
    given.weight[7] = 0
    assert torch.equal(Int8Linear(given)(torch.randn(4, 32))[:, 7], given.bias[7].expand(4))


@pytest.mark.parametrize(
    "inputs",
    [
        torch.randn(32, 10).t(),
        torch.randn(20, 64)[::2, ::2],
        torch.randn(9, 33)[:, 1:],
        torch.randn(1, 32).expand(5, 32),
        torch.randn(5, 1).expand(5, 32),
    ],
    ids=["transposed", "strided", "shifted", "one row", "one number"],
)
def test_inputs_may_lie_in_any_way(products, inputs):
    layer = Int8Linear(linear())
    torch.testing.assert_close(layer(inputs), layer(inputs.contiguous()), **EXACT)


def test_inputs_are_not_written():
    layer, inputs = Int8Linear(linear()), torch.randn(5, 32)
    before = inputs.clone()
    layer(inputs, gelu=True)
    assert torch.equal(inputs, before)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_inputs_of_another_type_are_rounded_in_float32(products, dtype):
    layer, inputs = Int8Linear(linear()), torch.randn(50, 32).to(dtype)
    torch.testing.assert_close(layer(inputs), layer(inputs.float()), **EXACT)


def test_autocast_changes_nothing(products):
    int8_linear._has_packed_products.cache_clear() if products == "packed" else None
    layer, inputs = Int8Linear(linear()), torch.randn(5, 32)
    with torch.autocast("cpu"):
        found = layer(inputs)
    torch.testing.assert_close(found, layer(inputs), **EXACT)


@pytest.mark.parametrize("gelu", [False, True])
def test_the_gradient_is_that_of_the_rounded_weight(products, gelu):
    layer = Int8Linear(linear())
    inputs = torch.randn(6, 32, requires_grad=True)
    gradient = torch.randn(6, 48)
    outputs = layer(inputs, gelu=gelu)
    before = layer(inputs.detach()).requires_grad_(True)
    if gelu:
        [behind] = torch.autograd.grad(functional.gelu(before), before, gradient)
    else:
        behind = gradient
    [found] = torch.autograd.grad(outputs, inputs, gradient)
    torch.testing.assert_close(found, behind @ layer.weight, atol=1e-5, rtol=1e-5)


def test_what_is_in_a_graph_is_what_is_computed_without_one(products):
    layer, inputs = Int8Linear(linear()), torch.randn(6, 32)
    outputs = layer(inputs.clone().requires_grad_(True))
    assert outputs.requires_grad
    torch.testing.assert_close(outputs.detach(), layer(inputs), **EXACT)
    assert not layer(inputs).requires_grad
    assert list(layer.parameters()) == []


def test_the_gradient_of_a_gradient_is_there():
    layer, inputs = Int8Linear(linear()), torch.randn(6, 32, requires_grad=True)
    [first] = torch.autograd.grad(layer(inputs).pow(2).sum(), inputs, create_graph=True)
    [second] = torch.autograd.grad(first.sum(), inputs)
    wanted = 2 * layer.weight.t().sum(0) @ layer.weight
    torch.testing.assert_close(second, wanted.expand(6, 32), atol=1e-4, rtol=1e-4)


def test_the_linear_layer_it_is_made_of_stays_as_it_is():
    given, untouched = linear(), linear()
    layer = Int8Linear(given)
    layer.bias.add_(1)
    layer.rounded.zero_()
    assert torch.equal(given.weight, untouched.weight)
    assert torch.equal(given.bias, untouched.bias)


def test_another_weight_is_seen_once_it_is_loaded():
    layer, other, inputs = Int8Linear(linear()), Int8Linear(linear(seed=5)), torch.randn(3, 32)
    assert not torch.equal(layer(inputs), other(inputs))
    layer.load_state_dict(other.state_dict())
    torch.testing.assert_close(layer(inputs), other(inputs), **EXACT)
    layer.load_state_dict(Int8Linear(linear()).state_dict(), assign=True)
    torch.testing.assert_close(layer(inputs), Int8Linear(linear())(inputs), **EXACT)


@pytest.mark.parametrize("copied", [copy.deepcopy, pickled])
def test_a_copy_has_its_own_weight(copied):
    layer, inputs = Int8Linear(linear()), torch.randn(3, 32)
    before = layer(inputs)
    other = copied(layer)
    torch.testing.assert_close(other(inputs), before, **EXACT)
    other.rounded.zero_()
    assert torch.equal(other(inputs), other.bias.expand(3, 48))
    assert torch.equal(layer(inputs), before)


def test_what_is_prepared_is_not_saved():
    layer = Int8Linear(linear(384, 384))
    before = len(pickle.dumps(layer))
    layer(torch.randn(2, 384))
    assert len(pickle.dumps(layer)) == before
    assert sum(kept.nbytes for kept in layer.state_dict().values()) == 384 * 384 + 2 * 4 * 384


def test_many_threads_may_compute_at_once_the_first_time(at_once):
    layer, inputs = Int8Linear(linear(128, 256)), torch.randn(16, 128)
    found = at_once(lambda: layer(inputs))
    assert len(found) == 40
    for outputs in found:
        torch.testing.assert_close(outputs, layer(inputs), **EXACT)


@pytest.mark.skipif(
    platform.machine().lower() not in {"x86_64", "amd64"}, reason="AVX2 is of x86 processors"
)
def test_sums_are_exact_where_onednn_has_avx2_alone(tmp_path, monkeypatch):
    given = linear(768, 64)
    nn.init.ones_(given.weight)
    file = tmp_path / "layer.pickle"
    file.write_bytes(pickle.dumps(Int8Linear(given)))  # with the levels of this processor
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    done = subprocess.run(
        [sys.executable, "-c", AVX2_PROCESS, str(file)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
