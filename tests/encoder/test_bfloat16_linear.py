"""A layer in bfloat16 takes and gives float32, and rounds as it says, fast or not."""

import copy
import pickle

import pytest
import torch
from torch import nn
from torch.nn import functional

from polyhead.encoder import onednn
from polyhead.encoder.bfloat16_linear import Bfloat16Linear

SHAPES = [(1, 1), (3, 5), (32, 48), (65, 37), (384, 1152)]
STEP = 2.0**-8
"""Half of the distance of two numbers in bfloat16 that lie side by side, as a share of them."""
ROUNDED = {"atol": 2 * STEP, "rtol": 2 * STEP}


def pickled(it):
    return pickle.loads(pickle.dumps(it))  # noqa: S301 - our own bytes


def linear(read=32, written=48, seed=0):
    torch.manual_seed(seed)
    return nn.Linear(read, written).requires_grad_(False)


def expected(layer, inputs):
    """What the class says it computes, but for the rounding of the result."""
    return inputs.bfloat16().double() @ layer.rounded.double().t() + layer.bias.double()


@pytest.fixture(params=["packed", "plain"], autouse=True)
def products(request, monkeypatch):
    """With oneDNN's products, and as on a machine that has none."""
    if request.param == "plain":
        monkeypatch.setattr(onednn, "is_there", lambda dtype: False)
    elif not onednn.is_there(torch.bfloat16):
        pytest.skip("torch has no packed products of bfloat16 here")
    return request.param


@pytest.mark.parametrize("gelu", [False, True])
@pytest.mark.parametrize("n_tokens", [0, 1, 2, 7, 64])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_it_computes_the_rounded_product(shape, n_tokens, gelu):
    layer = Bfloat16Linear(linear(*shape))
    inputs = torch.randn(n_tokens, shape[0])
    found = layer(inputs, gelu=gelu)
    assert found.dtype is torch.float32
    wanted = expected(layer, inputs)
    wanted = functional.gelu(wanted) if gelu else wanted
    torch.testing.assert_close(found.double(), wanted, **ROUNDED)


def test_it_is_near_the_layer_it_is_made_of():
    given, inputs = linear(384, 96), torch.randn(50, 384)
    layer = Bfloat16Linear(given)
    most = 2.1 * STEP * (inputs.abs() @ given.weight.abs().t()) + STEP * given(inputs).abs()
    assert ((layer(inputs) - given(inputs)).abs() <= most).all()
    assert layer.rounded.dtype is torch.bfloat16
    assert layer.weight.dtype is torch.float32


def test_a_token_does_not_depend_on_its_batch_mates():
    layer, inputs = Bfloat16Linear(linear(384, 1155)), torch.randn(70, 384)
    inputs[5], inputs[9] = 1e30, 0
    together = layer(inputs)
    alone = torch.cat([layer(token) for token in inputs.split(1)])
    torch.testing.assert_close(alone, together, **ROUNDED)
    torch.testing.assert_close(layer(inputs[:33]), together[:33], **ROUNDED)


def test_a_token_of_zeros_gives_the_bias():
    layer = Bfloat16Linear(linear())
    assert torch.equal(layer(torch.zeros(2, 32)), layer.bias.expand(2, 48))


def test_tokens_that_are_not_finite_stay_alone():
    layer, inputs = Bfloat16Linear(linear()), torch.randn(4, 32)
    inputs[1, 3], inputs[2, 5] = torch.nan, torch.inf
    found = layer(inputs)
    assert found[[0, 3]].isfinite().all()
    assert not found[[1, 2]].isfinite().any()


@pytest.mark.parametrize(
    "inputs",
    [torch.randn(32, 10).t(), torch.randn(20, 64)[::2, ::2], torch.randn(5, 1).expand(5, 32)],
    ids=["transposed", "strided", "one number"],
)
def test_inputs_may_lie_in_any_way_and_are_not_written(inputs):
    layer, before = Bfloat16Linear(linear()), inputs.clone()
    torch.testing.assert_close(layer(inputs), layer(before.contiguous()), **ROUNDED)
    assert torch.equal(inputs, before)


def test_inputs_in_bfloat16_are_not_written_either():
    layer, inputs = Bfloat16Linear(linear()), torch.randn(5, 32).bfloat16()
    before = inputs.clone()
    assert layer(inputs, gelu=True).dtype is torch.bfloat16
    assert torch.equal(inputs, before)


def test_autocast_changes_nothing(products):
    if products == "packed":
        onednn.is_there.cache_clear()
    layer, inputs = Bfloat16Linear(linear()), torch.randn(5, 32)
    with torch.autocast("cpu"):
        found = layer(inputs)
    torch.testing.assert_close(found, layer(inputs), **ROUNDED)


def test_the_gradient_is_that_of_the_rounded_weight():
    layer = Bfloat16Linear(linear())
    inputs, gradient = torch.randn(6, 32, requires_grad=True), torch.randn(6, 48)
    [found] = torch.autograd.grad(layer(inputs), inputs, gradient)
    assert found.dtype is torch.float32
    most = 3 * STEP * (gradient.abs() @ layer.weight.abs())
    assert ((found - gradient @ layer.weight).abs() <= most).all()


def test_the_gradient_of_a_gradient_is_there():
    layer, inputs = Bfloat16Linear(linear()), torch.randn(6, 32, requires_grad=True)
    [first] = torch.autograd.grad(layer(inputs).pow(2).sum(), inputs, create_graph=True)
    [second] = torch.autograd.grad(first.sum(), inputs)
    assert second.isfinite().all()
    assert second.abs().max() > 0


@pytest.mark.parametrize("asked", ["float", "half", "double"])
def test_the_weight_stays_as_it_is_when_a_model_is_asked_to_change_its_type(asked):
    layer, inputs = Bfloat16Linear(linear()), torch.randn(5, 32)
    before, rounded = layer(inputs), layer.rounded.clone()
    getattr(layer, asked)()
    assert layer.rounded.dtype is torch.bfloat16
    assert torch.equal(layer.rounded, rounded)
    torch.testing.assert_close(layer.float()(inputs), before, **ROUNDED)


def test_the_weight_goes_where_a_model_goes():
    layer = Bfloat16Linear(linear()).to("meta")
    assert layer.rounded.device.type == "meta"
    assert layer.bias.device.type == "meta"


def test_another_weight_is_seen_once_it_is_loaded():
    layer, other = Bfloat16Linear(linear()), Bfloat16Linear(linear(seed=5))
    inputs = torch.randn(3, 32)
    assert not torch.equal(layer(inputs), other(inputs))
    layer.load_state_dict(other.state_dict())
    assert torch.equal(layer(inputs), other(inputs))
    layer.load_state_dict(Bfloat16Linear(linear()).state_dict(), assign=True)
    assert torch.equal(layer(inputs), Bfloat16Linear(linear())(inputs))


@pytest.mark.parametrize("copied", [copy.deepcopy, pickled])
def test_a_copy_has_its_own_weight(copied):
    layer, inputs = Bfloat16Linear(linear()), torch.randn(3, 32)
    before = layer(inputs)
    other = copied(layer)
    assert torch.equal(other(inputs), before)
    other.rounded.zero_()
    assert torch.equal(other(inputs), other.bias.expand(3, 48))
    assert torch.equal(layer(inputs), before)


def test_what_is_prepared_is_not_saved():
    layer = Bfloat16Linear(linear(384, 384))
    before = len(pickle.dumps(layer))
    layer(torch.randn(2, 384))
    assert len(pickle.dumps(layer)) == before
    assert sum(kept.nbytes for kept in layer.state_dict().values()) == 2 * 384 * 384 + 4 * 384


def test_the_linear_layer_it_is_made_of_stays_as_it_is():
    given, untouched = linear(), linear()
    layer = Bfloat16Linear(given)
    layer.bias.add_(1)
    layer.rounded.zero_()
    assert torch.equal(given.weight, untouched.weight)
    assert torch.equal(given.bias, untouched.bias)


def test_many_threads_may_compute_at_once_the_first_time(at_once):
    layer, inputs = Bfloat16Linear(linear(128, 256)), torch.randn(16, 128)
    found = at_once(lambda: layer(inputs))
    assert len(found) == 40
    for outputs in found:
        torch.testing.assert_close(outputs, layer(inputs), **ROUNDED)
