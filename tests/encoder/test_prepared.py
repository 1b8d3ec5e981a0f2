"""What is made of a weight is made once, anew when the weight changed, and never copied."""

import copy
import pickle
import threading

import pytest
import torch
from torch import nn

from polyhead.encoder.prepared import Prepared


def pickled(it):
    return pickle.loads(pickle.dumps(it))  # noqa: S301 - our own bytes


def doubled(weight):
    return weight * 2


@pytest.fixture
def made():
    """The weights that something was made of."""
    return []


@pytest.fixture
def prepared(made):
    return Prepared(lambda weight: made.append(weight) or doubled(weight))


def test_it_is_made_once(prepared, made):
    weight = torch.ones(2, 3)
    first = prepared.of(weight)
    assert torch.equal(first, torch.full((2, 3), 2.0))
    assert prepared.of(weight) is first
    assert len(made) == 1


def write(weight):
    weight.fill_(3)
    return weight


def write_a_view(weight):
    weight[1:].fill_(3)
    return weight


def put_another_in_place(weight):
    return torch.full_like(weight, 3)


def set_data(weight):
    weight.data = torch.full_like(weight, 3)
    return weight


def step(weight):
    weight.requires_grad_(True)
    optimizer = torch.optim.AdamW([weight], lr=0.5)
    weight.sum().backward()
    optimizer.step()
    return weight.requires_grad_(False)


@pytest.mark.parametrize(
    "change", [write, write_a_view, put_another_in_place, set_data, step], ids=lambda f: f.__name__
)
def test_a_change_is_seen(prepared, made, change):
    weight = torch.ones(2, 3)
    prepared.of(weight)
    weight = change(weight)
    assert torch.equal(prepared.of(weight), weight * 2)
    assert len(made) == 2


def test_another_weight_never_comes_to_lie_where_the_old_one_was(prepared):
    for number in range(50):  # the allocator hands out freed memory again
        weight = torch.full((64, 64), float(number))
        assert float(prepared.of(weight)[0, 0]) == 2 * number
        del weight


def test_what_is_written_past_the_count_is_seen_once_it_is_forgotten(prepared):
    weight = torch.ones(2)
    prepared.of(weight)
    weight.data.fill_(3)
    prepared.forget()
    assert torch.equal(prepared.of(weight), torch.full((2,), 6.0))


def test_what_is_made_in_inference_mode_can_be_used_in_training(prepared):
    weight = nn.Parameter(torch.ones(2))
    with torch.inference_mode():
        made = prepared.of(weight)
    assert prepared.of(weight) is made
    assert not made.is_inference()
    assert not made.requires_grad
    inputs = torch.ones(2, requires_grad=True)
    (made * inputs).sum().backward()
    assert torch.equal(inputs.grad, torch.full((2,), 2.0))


def test_weights_of_inference_mode_are_taken(prepared, made):
    with torch.inference_mode():
        weight = torch.ones(2)
    assert torch.equal(prepared.of(weight), torch.full((2,), 2.0))
    prepared.of(weight)
    assert len(made) == 1


@pytest.mark.parametrize("copied", [copy.deepcopy, copy.copy, pickled])
def test_a_copy_makes_its_own(copied):
    prepared = Prepared(doubled)
    weight = torch.ones(1000)
    before = len(pickle.dumps(prepared))
    first = prepared.of(weight)
    other = copied(prepared)
    assert len(pickle.dumps(prepared)) == before
    assert other.of(weight) is not first
    assert torch.equal(other.of(weight), first)
    assert prepared.of(weight) is first


def test_many_threads_may_ask_first(prepared):
    weight, start, found = torch.arange(1000.0), threading.Barrier(8), []

    def ask():
        start.wait()
        found.append(prepared.of(weight))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert all(torch.equal(one, weight * 2) for one in found)
