import torch
from torch.nn import functional

from polyhead.adapters.linear import BlankLinear, DrawnLinear


def test_they_compute_what_torchs_own_does():
    layer = DrawnLinear(5, 3, None)
    values = torch.randn(4, 5)
    expected = functional.linear(values, layer.weight, layer.bias)
    torch.testing.assert_close(layer(values), expected)
    assert layer.matrix() is layer.weight
    one, other = layer.factors(values)
    torch.testing.assert_close(one @ other + layer.bias, expected)


def test_a_blank_layer_draws_nothing_until_it_is_told_to():
    before = torch.get_rng_state()
    layer = BlankLinear(200, 100)
    assert torch.equal(torch.get_rng_state(), before)
    layer.draw_as_bert(torch.Generator().manual_seed(0))
    assert torch.equal(torch.get_rng_state(), before)
    assert 0.019 < float(layer.weight.detach().std()) < 0.021
    assert not layer.bias.any()


def test_a_drawn_layer_starts_within_torchs_own_bounds():
    layer = DrawnLinear(100, 300, torch.Generator().manual_seed(0))
    for values in (layer.weight, layer.bias):
        assert 0.095 < float(values.detach().abs().max()) <= 0.1
    again = DrawnLinear(100, 300, torch.Generator().manual_seed(0))
    assert torch.equal(layer.weight, again.weight)
