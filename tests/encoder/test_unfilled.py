"""Parameters are left unfilled where that changes nothing, and nothing else is."""

import threading

import pytest
import torch
from torch import nn
from torch.nn import init

from polyhead.encoder.unfilled import Unfilled


class Counted(nn.Module):
    """Parameters filled in several ways, a buffer and a fixed matrix."""

    def __init__(self):
        super().__init__()
        self.first = nn.Parameter(torch.full((3, 3), 7.0))
        init.normal_(self.first)
        self.second = nn.Parameter(torch.full((3, 3), 7.0))
        with torch.no_grad():
            self.second.uniform_()
        self.third = nn.Parameter(torch.full((3, 3), 7.0))
        init.xavier_uniform_(tensor=self.third)
        self.register_buffer("fixed", torch.empty(3).normal_(), persistent=False)
        generator = torch.Generator().manual_seed(0)
        self.seeded = nn.Parameter(torch.full((3,), 7.0))
        init.normal_(self.seeded, generator=generator)
        self.after = torch.randn(3, generator=generator)


def test_parameters_keep_what_they_hold():
    with Unfilled():
        module = Counted()
    for weight in (module.first, module.second, module.third):
        assert torch.equal(weight, torch.full((3, 3), 7.0))


def test_buffers_and_what_has_a_generator_are_filled():
    torch.manual_seed(3)
    expected = torch.empty(3).normal_()
    filled = Counted()
    torch.manual_seed(3)
    with Unfilled():
        module = Counted()
    assert torch.equal(module.fixed, expected)
    assert torch.equal(module.seeded, filled.seeded)
    assert torch.equal(module.after, filled.after)


def test_other_threads_fill_theirs():
    found = []
    with Unfilled():
        thread = threading.Thread(target=lambda: found.append(Counted()))
        thread.start()
        thread.join()
    assert not (found[0].first == 7.0).any()


@pytest.mark.parametrize("make", [nn.Linear, nn.Bilinear], ids=lambda make: make.__name__)
def test_torch_makes_its_modules_under_it(make):
    with Unfilled(), torch.device("meta"):
        module = make(*([3] * (2 if make is nn.Linear else 3)))
    assert module.weight.is_meta
