import torch

from polyhead.contracts import LayerMix


def states(*shape):
    return [torch.randn(*shape, generator=torch.Generator().manual_seed(k)) for k in range(4)]


def test_a_fresh_mix_is_the_mean_of_all_states():
    layers = states(5, 3)
    torch.testing.assert_close(LayerMix(4)(layers), torch.stack(layers).mean(dim=0))


def test_the_mix_is_the_gain_times_the_softmax_of_the_weights():
    layers, mix = states(5, 3), LayerMix(4)
    with torch.no_grad():
        mix.weights.copy_(torch.tensor([0.5, -1.0, 2.0, 0.0]))
        mix.gain.fill_(1.5)
    shares = torch.softmax(torch.tensor([0.5, -1.0, 2.0, 0.0]), dim=0)
    expected = 1.5 * sum(share * layer for share, layer in zip(shares, layers, strict=True))
    torch.testing.assert_close(mix(layers), expected)


def test_weights_and_gain_take_gradients():
    mix = LayerMix(4)
    mix(states(5, 3)).square().sum().backward()
    assert mix.weights.grad.abs().max() > 0
    assert mix.gain.grad.abs() > 0


def test_the_states_keep_their_type():
    mix = LayerMix(4).to(torch.bfloat16)
    assert mix([state.bfloat16() for state in states(2, 3)]).dtype == torch.bfloat16
