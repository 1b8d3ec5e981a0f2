import pytest
from torch import nn

from polyhead.train.modes import evaluating, trainable


@pytest.fixture
def module() -> nn.Module:
    made = nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.Dropout(), nn.Linear(2, 2)))
    made.eval()
    made[1][0].train()
    made[0].bias.requires_grad_(False)
    return made


def modes(module):
    return [part.training for part in module.modules()]


def flags(module):
    return [weight.requires_grad for weight in module.parameters()]


def test_inside_everything_trains_and_afterwards_all_is_as_before(module):
    before = modes(module), flags(module)
    with trainable([module], list(module.parameters())):
        assert all(modes(module))
        assert all(flags(module))
        sum(weight.sum() for weight in module.parameters()).backward()
    assert (modes(module), flags(module)) == before
    assert all(weight.grad is None for weight in module.parameters())


def test_inside_nothing_is_in_training_mode_and_afterwards_all_is_as_before(module):
    before = modes(module)
    with evaluating([module]):
        assert not any(modes(module))
    assert modes(module) == before


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_inside_leaves_all_as_before(module, error):
    before = modes(module), flags(module)
    with (
        pytest.raises(error),
        trainable([module], list(module.parameters())),
        evaluating([module]),
    ):
        raise error
    assert (modes(module), flags(module)) == before
