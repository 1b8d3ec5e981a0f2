import torch
from torch import nn

from polyhead.testing import shaken


def test_every_weight_is_moved_and_no_buffer():
    module = nn.BatchNorm1d(3)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    assert shaken(module) is module
    after = module.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"weight", "bias"}


def test_noise_follows_from_the_seed_alone():
    def moved(seed):
        return shaken(nn.LayerNorm(3), seed).bias

    assert torch.equal(moved(1), moved(1))
    assert not torch.equal(moved(1), moved(2))


def test_noise_has_the_size_that_is_asked_for_and_the_weights_type():
    module = shaken(nn.LayerNorm(4000).to(torch.float16), size=2.0)
    assert module.bias.dtype == torch.float16
    assert abs(float(module.bias.detach().float().std()) - 2) < 0.1
    assert module.weight.requires_grad


def test_whole_numbers_are_left_alone():
    module = nn.Module()
    module.table = nn.Parameter(torch.arange(3), requires_grad=False)
    assert shaken(module).table.tolist() == [0, 1, 2]
