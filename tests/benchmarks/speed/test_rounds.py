"""Contenders in turns."""

import pytest

from benchmarks.speed import rounds
from benchmarks.speed.rounds import Contender
from benchmarks.speed.sides import Answer, SideError


class FakeSide:
    """Prepares and runs without a process; the log is shared."""

    def __init__(self, log, logits=None, broken=()):
        self.log, self.logits, self.broken = log, logits or {}, broken

    def prepare(self, key, spec, rows):
        del spec, rows
        if key in self.broken:
            raise SideError(f"{key} cannot")
        return {"seconds": 1.0, "logits": self.logits.get(key), "facts": {}}

    def run(self, key, calls):
        self.log.append(key)
        return Answer((1.0,) * calls, 0.5)


@pytest.fixture
def quiet(monkeypatch):
    """No waiting, and no other program."""
    monkeypatch.setattr(rounds.load, "wait_until_quiet", lambda *_: None)
    monkeypatch.setattr(rounds.load, "busy_s", lambda: None)


def contenders(*keys, **fields):
    return [Contender(key, "side", {}, **fields) for key in keys]


def test_every_round_begins_with_another_and_every_other_goes_backwards():
    assert [rounds.order_of_round(3, number) for number in range(3)] == [
        [0, 1, 2],
        [0, 2, 1],
        [2, 0, 1],
    ]


def test_every_contender_runs_once_a_round(quiet):
    log = []
    found = rounds.measure(contenders("a", "b", "c"), {"side": FakeSide(log)}, 4, 0.0)
    assert [sorted(log[start : start + 3]) for start in range(0, 12, 3)] == [["a", "b", "c"]] * 4
    assert {key: len(measured.figures) for key, measured in found.items()} == dict.fromkeys(
        "abc", 4
    )


def test_what_cannot_be_prepared_is_left_out(quiet):
    found = rounds.measure(contenders("a", "b"), {"side": FakeSide([], broken=("a",))}, 1, 0.0)
    assert list(found) == ["b"]


def test_nothing_to_measure_is_said(quiet):
    with pytest.raises(SideError, match="nothing could be prepared"):
        rounds.measure(contenders("a"), {"side": FakeSide([], broken=("a",))}, 1, 0.0)


def test_answers_are_compared_with_those_they_should_equal(quiet):
    side = FakeSide([], {"a": [[1.0, 2.0]], "b": [[1.0, 2.00001]]})
    both = [*contenders("a"), *contenders("b", same_as="a")]
    found = rounds.measure(both, {"side": side}, 1, 0.0)
    assert found["a"].difference is None
    assert found["b"].difference == pytest.approx(1e-5)


@pytest.mark.parametrize("answer", [2.5, float("nan")])
def test_other_answers_than_expected_are_not_timed(quiet, answer):
    log = []
    side = FakeSide(log, {"a": [[1.0, 2.0]], "b": [[1.0, answer]]})
    both = [*contenders("a"), *contenders("b", same_as="a")]
    with pytest.raises(SideError, match=r"b differs by .* from a\."):
        rounds.measure(both, {"side": side}, 1, 0.0)
    assert not log


def test_lower_precision_may_differ_more(quiet):
    side = FakeSide([], {"a": [[1.0]], "b": [[1.5]]})
    int8 = Contender("b", "side", {"precision": "int8"}, same_as="a")
    found = rounds.measure([*contenders("a"), int8], {"side": side}, 1, 0.0)
    assert found["b"].difference == pytest.approx(0.5)


def test_a_disturbed_run_is_made_again_and_the_least_disturbed_counts(quiet, monkeypatch):
    shares = iter([0.5, 0.05, 0.9])
    monkeypatch.setattr(rounds.load, "others_share", lambda *_: next(shares))
    log = []
    found = rounds.measure(contenders("a"), {"side": FakeSide(log)}, 1, 0.0)
    assert log == ["a", "a"]
    assert found["a"].others == [0.05]
    assert len(found["a"].figures) == 1


def test_a_machine_that_stays_busy_ends_the_tries(quiet, monkeypatch):
    monkeypatch.setattr(rounds.load, "others_share", lambda *_: 0.5)
    log = []
    found = rounds.measure(contenders("a"), {"side": FakeSide(log)}, 1, 0.0)
    assert log == ["a"] * (1 + rounds.AGAIN)
    assert found["a"].others == [0.5]
