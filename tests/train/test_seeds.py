import torch

from polyhead.train import seeded


def test_numbers_follow_from_the_seed():
    with seeded(7):
        first = torch.rand(4)
    with seeded(7):
        again = torch.rand(4)
    with seeded(8):
        other = torch.rand(4)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_the_callers_numbers_go_on_as_before():
    torch.manual_seed(1)
    expected = torch.rand(2)
    torch.manual_seed(1)
    with seeded(7):
        torch.rand(3)
    assert torch.equal(torch.rand(2), expected)


def test_a_task_added_with_one_seed_has_the_same_weights_each_time(task_model):
    weights = [task_model(seed).heads["mood"].out.weight for seed in (3, 3, 4)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
