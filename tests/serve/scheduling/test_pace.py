"""What batches cost is learnt from those that were computed, and never nonsense."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyhead.serve.scheduling.pace import Pace

SIZES = [30, 300, 60, 2000, 900, 45, 1500, 120]


def taught(fixed_s, per_token_s, sizes=SIZES * 8):
    pace = Pace()
    for size in sizes:
        pace.learn(size, fixed_s + per_token_s * size)
    return pace


@pytest.mark.parametrize("fixed_s", [0.0, 0.001, 0.02])
@pytest.mark.parametrize("per_token_s", [0.0001, 0.001, 0.01])
def test_the_cost_of_a_pass_and_of_a_token_are_told_apart(fixed_s, per_token_s):
    pace = taught(fixed_s, per_token_s)
    assert pace.fixed_s == pytest.approx(fixed_s, abs=1e-6)
    assert pace.per_token_s == pytest.approx(per_token_s, rel=1e-3)
    assert pace.tokens_per_s == pytest.approx(1 / per_token_s, rel=1e-3)
    assert pace.seconds(1000) == pytest.approx(fixed_s + 1000 * per_token_s, rel=1e-3)


def test_batches_of_one_size_tell_what_they_cost_together():
    pace = taught(0.01, 0.001, [500] * 40)
    assert pace.seconds(500) == pytest.approx(0.51)
    assert pace.fixed_s >= 0
    assert pace.per_token_s > 0


def test_a_few_batches_are_enough_to_begin_with():
    pace = taught(0.002, 0.0002, [16, 64, 256])
    assert pace.seconds(256) == pytest.approx(0.002 + 256 * 0.0002, rel=0.3)


def test_a_machine_that_became_slower_is_noticed():
    pace = taught(0.001, 0.0001)
    for size in SIZES * 20:
        pace.learn(size, 0.01 + 0.001 * size)
    assert pace.seconds(1000) == pytest.approx(1.01, rel=0.1)
    for size in SIZES * 20:
        pace.learn(size, 0.001 + 0.0001 * size)
    assert pace.seconds(1000) == pytest.approx(0.101, rel=0.1)


def test_a_head_that_held_a_batch_up_for_long_does_not_count_for_long():
    pace = taught(0.001, 0.0001)
    before = pace.seconds(1000)
    pace.learn(30, 25.0)
    assert pace.seconds(1000) < 1.5 * before
    assert pace.seconds(30) < 0.1


def test_a_batch_that_was_not_computed_makes_nothing_fast():
    pace = taught(0.001, 0.0001)
    before = pace.seconds(1000)
    pace.learn(2000, 0.0)
    assert pace.seconds(1000) > 0.8 * before


def test_noise_is_averaged():
    chance = random.Random(0)  # noqa: S311 - any noise will do
    pace = Pace()
    for size in SIZES * 20:
        pace.learn(size, (0.01 + 0.001 * size) * chance.uniform(0.8, 1.25))
    assert pace.seconds(1000) == pytest.approx(1.01, rel=0.15)


@given(
    st.lists(
        st.tuples(st.integers(0, 10**6), st.floats(0, 1e4, allow_nan=False)),
        min_size=1,
        max_size=60,
    )
)
def test_whatever_it_learns_it_knows_a_cost_above_nothing(batches):
    pace = Pace()
    for n_tokens, seconds in batches:
        pace.learn(n_tokens, seconds)
        assert pace.fixed_s >= 0
        assert 0 < pace.per_token_s < math.inf
        assert 0 < pace.tokens_per_s < math.inf
        assert 64 <= pace.budget(0.2, 64, 2048) <= 2048
        assert 0 <= pace.wait(1000, 64) < math.inf
        assert pace.wait(1000, 64) >= pace.wait(500, 64)


def test_before_it_has_learnt_it_takes_on_rather_too_little():
    pace = Pace()
    assert pace.budget(0.2, 64, 2048) == 200
    assert pace.wait(2000, 200) == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("target_s", "expected"), [(1e-9, 64), (0.005, 64), (0.11, 100), (0.51, 500), (1e9, 2048)]
)
def test_a_budget_is_what_fits_within_bounds(target_s, expected):
    pace = taught(0.01, 0.001)
    assert pace.budget(target_s, 64, 2048) == pytest.approx(expected, abs=1)


def test_what_waits_takes_the_time_of_its_batches():
    pace = taught(0.01, 0.001)
    assert pace.wait(0, 100) == 0.0
    assert pace.wait(100, 100) == pytest.approx(0.11, rel=1e-3)
    assert pace.wait(101, 100) == pytest.approx(0.121, rel=1e-3)
    assert pace.wait(1000, 100) == pytest.approx(1.1, rel=1e-3)
