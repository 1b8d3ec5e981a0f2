"""An adapter's weights in one piece stay its weights, and a twin reads another piece."""

import pytest
import torch

from polyhead.hosting.host_copy import HostCopy

KINDS = ["seq_bn", "compacter[reduction_factor=4]", "lora", "prefix_tuning", "seq_bn_inv", "ia3"]


def memory(n_bytes):
    return torch.full((n_bytes,), 255, dtype=torch.uint8)


@pytest.fixture(params=KINDS)
def adapter(request, make_model, shake):
    model = make_model(n_layers=2)
    model.add_adapter("a", request.param)
    return shake(model.adapters["a"])


def test_weights_lie_in_the_piece_as_they_were(adapter):
    known = {name: weight.clone() for name, weight in adapter.state_dict().items()}
    host = HostCopy(adapter, memory)
    places = range(host.flat.data_ptr(), host.flat.data_ptr() + host.n_bytes)
    for name, weight in adapter.state_dict().items():
        assert torch.equal(weight, known[name])
        assert weight.data_ptr() in places
        assert (weight.data_ptr() - places.start) % 256 == 0
    assert all(weight.requires_grad for weight in adapter.parameters())


def test_a_twin_reads_its_own_piece_and_takes_no_gradient(adapter):
    host = HostCopy(adapter, memory)
    flat = memory(host.n_bytes)
    twin = host.twin(flat)
    flat.copy_(host.flat)
    for (name, own), (_, other) in zip(
        adapter.state_dict().items(), twin.state_dict().items(), strict=True
    ):
        assert torch.equal(own, other), name
        assert own.data_ptr() != other.data_ptr()
    flat.zero_()
    assert not any(weight.any() for weight in twin.parameters())
    assert any(weight.any() for weight in adapter.parameters())
    assert not any(weight.requires_grad for weight in twin.parameters())


def test_training_goes_on_where_the_weights_are(adapter):
    host = HostCopy(adapter, memory)
    for weight in adapter.parameters():
        weight.grad = torch.ones_like(weight)
    before = host.flat.clone()
    torch.optim.SGD(adapter.parameters(), lr=0.1).step()
    assert not torch.equal(host.flat, before)


def test_gradients_of_before_are_dropped(adapter):
    for weight in adapter.parameters():
        weight.grad = torch.ones_like(weight)
    HostCopy(adapter, memory)
    assert all(weight.grad is None for weight in adapter.parameters())


@torch.no_grad()
def test_every_change_is_seen(adapter):
    host = HostCopy(adapter, memory)
    weight = next(adapter.parameters())
    before = host.writes()
    assert host.writes() == before
    weight.add_(1)
    assert host.writes() != before
    weight.data = weight.data.clone()
    assert host.writes() is None
    host = HostCopy(adapter, memory)
    adapter.load_state_dict({n: w.clone() for n, w in adapter.state_dict().items()}, assign=True)
    assert host.writes() is None


def test_weights_made_in_inference_mode_can_be_moved(adapter):
    with torch.inference_mode():
        for weight in adapter.parameters():
            weight.data = weight.data.clone()
        host = HostCopy(adapter, memory)
    assert host.writes() is not None


def test_sorts_differ_where_more_than_numbers_differs(make_model):
    model = make_model(n_layers=2)
    configs = ["seq_bn", "seq_bn", "seq_bn[reduction_factor=4]", "par_bn", "lora"]
    for number, config in enumerate(configs):
        model.add_adapter(f"a{number}", config)
    sorts = [HostCopy(adapter, memory).sort for adapter in model.adapters.values()]
    assert sorts[0] == sorts[1]
    assert len(set(sorts)) == len(configs) - 1
