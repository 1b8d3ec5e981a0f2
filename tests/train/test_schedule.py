import pytest
import torch
from transformers import get_linear_schedule_with_warmup

from polyhead.train import lr_factor, n_warmup_steps


@pytest.mark.parametrize(
    ("n_steps", "n_warmup"), [(1, 0), (1, 1), (7, 0), (10, 1), (20, 6), (5, 5)]
)
def test_factors_equal_those_of_transformers(n_steps, n_warmup):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = get_linear_schedule_with_warmup(optimizer, n_warmup, n_steps)
    for step in range(n_steps + 2):
        assert lr_factor(step, n_steps, n_warmup) == schedule.get_last_lr()[0]
        optimizer.step()
        schedule.step()


@pytest.mark.parametrize(
    ("n_steps", "ratio", "expected"), [(100, 0.1, 10), (101, 0.1, 11), (7, 0.0, 0), (7, 1.0, 7)]
)
def test_warm_up_is_a_share_of_all_steps_rounded_up(n_steps, ratio, expected):
    assert n_warmup_steps(n_steps, ratio) == expected


def test_rate_rises_to_its_top_and_falls_towards_zero():
    factors = [lr_factor(step, 20, 5) for step in range(20)]
    assert factors[5] == max(factors) == 1.0
    assert factors == sorted(factors[:6]) + sorted(factors[6:], reverse=True)
    assert lr_factor(20, 20, 5) == 0.0
