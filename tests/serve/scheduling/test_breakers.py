"""A task that keeps failing is given up for a while, alone, and tried again by one."""

from dataclasses import dataclass

import pytest

from polyhead.serve.scheduling.breakers import Breakers


@dataclass
class FakeClock:
    now: float = 50.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def breakers(clock):
    return Breakers(failures=3, break_s=10.0, clock=clock)


def fail(breakers, task="a", times=3):
    for _ in range(times):
        breakers.failed(task)


def test_a_task_is_given_up_after_so_many_failures_in_a_row(breakers):
    fail(breakers, times=2)
    assert breakers.refused_for("a") is None
    assert not breakers.is_broken("a")
    assert breakers.failed("a")
    assert breakers.refused_for("a") == 10.0
    assert breakers.is_broken("a")
    assert not breakers.failed("a")


def test_a_success_between_makes_it_no_row(breakers):
    for _ in range(5):
        fail(breakers, times=2)
        breakers.succeeded("a")
    assert breakers.refused_for("a") is None


def test_other_tasks_are_not_touched(breakers):
    fail(breakers)
    assert breakers.refused_for("b") is None
    assert not breakers.is_broken("b")


def test_it_is_told_how_long_it_still_is(breakers, clock):
    fail(breakers)
    clock.now += 7.0
    assert breakers.refused_for("a") == pytest.approx(3.0)


def test_when_the_time_is_over_one_is_let_through(breakers, clock):
    fail(breakers)
    clock.now += 10.0
    assert breakers.is_broken("a")  # those that waited since are no trial
    assert breakers.refused_for("a") is None
    assert not breakers.is_broken("a")
    assert breakers.refused_for("a") == 10.0


def test_a_trial_that_succeeds_closes_it(breakers, clock):
    fail(breakers)
    clock.now += 10.0
    breakers.refused_for("a")
    breakers.succeeded("a")
    assert breakers.refused_for("a") is None
    fail(breakers, times=2)
    assert breakers.refused_for("a") is None  # it starts anew


def test_a_trial_that_fails_makes_it_twice_as_long_up_to_five_minutes(breakers, clock):
    fail(breakers)
    times = []
    for _ in range(7):
        clock.now += 1000.0
        assert breakers.refused_for("a") is None
        breakers.failed("a")
        times.append(breakers.refused_for("a"))
    assert times == [20.0, 40.0, 80.0, 160.0, 300.0, 300.0, 300.0]


def test_after_a_success_it_is_short_again(breakers, clock):
    fail(breakers)
    clock.now += 10.0
    breakers.refused_for("a")
    breakers.failed("a")
    clock.now += 20.0
    breakers.refused_for("a")
    breakers.succeeded("a")
    fail(breakers)
    assert breakers.refused_for("a") == 10.0


def test_a_trial_that_was_never_computed_is_followed_by_another(breakers, clock):
    fail(breakers)
    clock.now += 10.0
    assert breakers.refused_for("a") is None
    assert breakers.refused_for("a") == 10.0  # the trial may still come
    clock.now += 10.0
    assert breakers.refused_for("a") is None


def test_failures_of_what_waited_do_not_prolong_it(breakers, clock):
    fail(breakers, times=20)
    assert breakers.refused_for("a") == 10.0


def test_a_task_that_is_gone_is_forgotten(breakers):
    fail(breakers)
    breakers.forget("a")
    breakers.forget("never there")
    assert breakers.refused_for("a") is None


def test_nothing_is_kept_of_tasks_that_work(breakers):
    for number in range(1000):
        breakers.refused_for(number)
        breakers.is_broken(number)
        breakers.failed(number)
        breakers.succeeded(number)
    assert breakers._known == {}
