"""A frozen layer computes what torch's own does, whatever becomes of its weight."""

import copy
import io
import pickle

import pytest
import torch
from torch import nn
from torch.nn import functional

from polyhead.encoder import onednn
from polyhead.encoder.frozen_linear import EncoderLinear

NEAR = {"atol": 1e-4, "rtol": 1e-5}
SHAPES = [(1, 1), (3, 5), (32, 48), (65, 33), (384, 1152)]


def pickled(it):
    return pickle.loads(pickle.dumps(it))  # noqa: S301 - our own bytes


def frozen(read=32, written=48, seed=0):
    torch.manual_seed(seed)
    return EncoderLinear(read, written).requires_grad_(False)


def plain(layer, inputs, *, gelu=False):
    outputs = functional.linear(inputs, layer.weight, layer.bias)
    return functional.gelu(outputs) if gelu else outputs


def assert_right(layer, seed=1):
    """Forwards and backwards as torch's own."""
    torch.manual_seed(seed)
    inputs = torch.randn(7, layer.in_features, dtype=layer.weight.dtype, requires_grad=True)
    gradient = torch.randn(7, layer.out_features, dtype=layer.weight.dtype)
    found, expected = layer(inputs), plain(layer, inputs)
    torch.testing.assert_close(found, expected, **NEAR)
    torch.testing.assert_close(
        torch.autograd.grad(found, inputs, gradient)[0],
        torch.autograd.grad(expected, inputs, gradient)[0],
        **NEAR,
    )


@pytest.fixture
def packed_products(monkeypatch):
    """One entry for each product with packed weights."""
    if not onednn.is_there(torch.float32):
        pytest.skip("torch has no products with packed weights here")
    calls, product = [], onednn.product

    def counted(*args, **options):
        calls.append(options)
        return product(*args, **options)

    monkeypatch.setattr(onednn, "product", counted)
    return calls


@pytest.mark.parametrize("gelu", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("n_tokens", [0, 1, 2, 7, 64, 600])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_it_computes_what_functional_linear_does(shape, n_tokens, dtype, gelu):
    layer = frozen(*shape).to(dtype)
    inputs = torch.randn(n_tokens, shape[0], dtype=dtype)
    with torch.inference_mode():
        found, expected = layer(inputs, gelu=gelu), plain(layer, inputs, gelu=gelu)
    assert found.dtype is dtype
    torch.testing.assert_close(found, expected, **NEAR)


@pytest.mark.parametrize(
    "inputs",
    [
        torch.randn(32, 10).t(),
        torch.randn(20, 64)[::2, ::2],
        torch.randn(9, 33)[:, 1:],
        torch.randn(1, 32).expand(5, 32),
        torch.randn(5, 1).expand(5, 32),
        torch.randn(32, 10).t()[3:4],
    ],
    ids=["transposed", "strided", "shifted", "one row", "one number", "one of transposed"],
)
def test_inputs_may_lie_in_any_way(inputs):
    layer = frozen()
    expected = plain(layer, inputs.contiguous())
    torch.testing.assert_close(layer(inputs), expected, **NEAR)


def test_a_frozen_layer_has_its_weight_packed(packed_products):
    layer = frozen()
    layer(torch.randn(3, 32))
    assert len(packed_products) == 1


def test_what_packed_products_cannot_is_left_to_torch(packed_products):
    layer, inputs = frozen(), torch.randn(3, 32)
    layer(inputs[:0])
    with torch.autocast("cpu"):
        layer(inputs)
    layer.requires_grad_(True)(inputs)
    layer.requires_grad_(False).double()(inputs.double())
    assert packed_products == []


def test_without_packed_products_the_numbers_are_the_same(monkeypatch):
    layer, inputs = frozen(), torch.randn(3, 32)
    packed = layer(inputs)
    monkeypatch.setattr(onednn, "is_there", lambda dtype: False)
    torch.testing.assert_close(layer(inputs), packed, **NEAR)
    assert_right(layer)


def test_autocast_computes_as_it_does_in_torch():
    onednn.is_there.cache_clear()  # the first product may be one under autocast
    layer, inputs = frozen(), torch.randn(3, 32)
    with torch.autocast("cpu"):
        found, expected = layer(inputs), plain(layer, inputs)
    assert found.dtype is expected.dtype is torch.bfloat16
    assert torch.equal(found, expected)
    assert_right(layer)


def test_inputs_of_another_type_are_refused_as_in_torch():
    with pytest.raises(RuntimeError, match="dtype"):
        frozen()(torch.randn(3, 32, dtype=torch.float64))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("gelu", [False, True])
def test_gradients_are_those_of_torch(shape, gelu):
    layer, reference = frozen(*shape), nn.Linear(*shape)
    reference.load_state_dict(layer.state_dict())
    found, expected = (torch.randn(6, shape[0], requires_grad=True) for _ in range(2))
    expected.data = found.detach().clone()
    weights = torch.randn(6, shape[1])
    (layer(found, gelu=gelu) * weights).sum().backward()
    outputs = reference(expected)
    ((functional.gelu(outputs) if gelu else outputs) * weights).sum().backward()
    torch.testing.assert_close(found.grad, expected.grad, **NEAR)
    assert layer.weight.grad is None
    assert layer.bias.grad is None


def test_a_gradient_may_lie_in_any_way():
    layer = frozen()
    inputs = torch.randn(5, 32, requires_grad=True)
    layer(inputs).sum().backward()  # one number for all
    expected = layer.weight.sum(0).expand(5, 32)
    torch.testing.assert_close(inputs.grad, expected, **NEAR)
    inputs.grad = None
    layer(inputs).t()[:, ::2].sum().backward()
    torch.testing.assert_close(inputs.grad[::2], expected[::2], **NEAR)
    assert not inputs.grad[1::2].any()


def test_gradients_of_gradients_are_those_of_torch():
    layer, inputs = frozen(), torch.randn(4, 32, requires_grad=True)

    def second(compute):
        outputs = torch.tanh(compute(inputs))
        [first] = torch.autograd.grad(outputs.pow(2).sum(), inputs, create_graph=True)
        return torch.autograd.grad(first.pow(2).sum(), inputs)[0]

    found, expected = second(layer), second(lambda values: plain(layer, values))
    torch.testing.assert_close(found, expected, atol=1e-3, rtol=1e-4)


def test_a_bias_that_is_trained_alone_gets_its_gradient():
    layer = frozen()
    layer.bias.requires_grad_(True)
    layer(torch.randn(5, 32)).sum().backward()
    assert torch.equal(layer.bias.grad, torch.full((48,), 5.0))


def test_rows_that_are_not_finite_stay_alone():
    layer, inputs = frozen(), torch.randn(4, 32)
    inputs[1, 3], inputs[2, 5] = torch.nan, torch.inf
    found = layer(inputs)
    assert found[[0, 3]].isfinite().all()
    assert not found[[1, 2]].isfinite().any()


def in_place(layer):
    with torch.no_grad():
        layer.weight.mul_(-2)


def one_number(layer):
    with torch.no_grad():
        layer.weight[3, 4] = 9


def another_parameter(layer):
    layer.weight = nn.Parameter(torch.randn_like(layer.weight), requires_grad=False)


def other_data(layer):
    layer.weight.data = torch.randn_like(layer.weight)


def loaded(layer):
    layer.load_state_dict(frozen(seed=5).state_dict())


def assigned(layer):
    layer.load_state_dict(frozen(seed=5).state_dict(), assign=True)


def widened(layer):
    layer.to(torch.float64)


def there_and_back(layer):
    layer.to(torch.float64).to(torch.float32)


def shared(layer):
    layer.share_memory()


def trained(layer, **options):
    layer.requires_grad_(True)
    optimizer = torch.optim.AdamW(layer.parameters(), lr=0.5, **options)
    layer(torch.randn(5, 32)).pow(2).mean().backward()
    optimizer.step()
    layer.requires_grad_(False)


def trained_each(layer):
    trained(layer, foreach=True)


def trained_fused(layer):
    trained(layer, fused=True)


def trained_past_the_count(layer):
    """As optimizers do that write through `.data`."""
    layer.requires_grad_(True)
    layer(torch.randn(5, 32)).pow(2).mean().backward()
    layer.weight.data.sub_(layer.weight.grad)
    layer.requires_grad_(False)


CHANGES = [
    *(in_place, one_number, another_parameter, other_data, loaded, assigned, widened),
    *(there_and_back, shared, trained, trained_each, trained_fused, trained_past_the_count),
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_a_change_of_the_weight_is_seen(change):
    layer = frozen()
    assert_right(layer)
    change(layer)
    assert_right(layer)
    in_place(layer)
    assert_right(layer)


def test_a_weight_of_inference_mode_computes_right():
    with torch.inference_mode():
        layer = frozen()
        found = layer(torch.ones(2, 32))
        torch.testing.assert_close(found, plain(layer, torch.ones(2, 32)), **NEAR)
    torch.testing.assert_close(layer(torch.ones(2, 32)), found, **NEAR)


def through_torch_save(layer):
    file = io.BytesIO()
    torch.save(layer, file)
    file.seek(0)
    return torch.load(file, weights_only=False)


@pytest.mark.parametrize(
    "copied",
    [copy.deepcopy, pickled, through_torch_save],
    ids=["deepcopy", "pickle", "torch.save"],
)
def test_a_copy_has_its_own_weight(copied):
    layer = frozen()
    assert_right(layer)
    before = layer(torch.ones(1, 32))
    other = copied(layer)
    assert_right(other)
    in_place(other)
    assert_right(other)
    assert torch.equal(layer(torch.ones(1, 32)), before)


def test_what_is_prepared_is_not_saved():
    layer = frozen(384, 384)
    before = len(pickle.dumps(layer))
    assert_right(layer)
    assert len(pickle.dumps(layer)) == before
    assert list(layer.state_dict()) == ["weight", "bias"]


def test_many_threads_may_compute_at_once_the_first_time(at_once):
    layer, inputs = frozen(128, 256), torch.randn(16, 128)
    expected = plain(layer, inputs)
    found = at_once(lambda: layer(inputs))
    assert len(found) == 40
    for outputs in found:
        torch.testing.assert_close(outputs, expected, **NEAR)
