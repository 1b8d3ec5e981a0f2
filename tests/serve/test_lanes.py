"""Parts of the machine that compute apart."""

import threading
from types import SimpleNamespace

import pytest
import torch

from polyhead.contracts import Prediction
from polyhead.errors import UnavailableError
from polyhead.serve import EngineSettings
from polyhead.serve.lanes import Lanes, split

PATIENCE_S = 20
LONG = " ".join(["red"] * 30)
"""Nine of these are far more than what is computed in one part."""


def examples(*n_tokens):
    return [SimpleNamespace(n_tokens=n) for n in n_tokens]


@pytest.fixture
def lanes():
    made = Lanes(2)
    yield made
    made.close()


def test_few_tokens_stay_together():
    few = examples(60, 60)
    assert split(few, 2) == [few]
    assert split([], 2) == [[]]


def test_one_lane_splits_nothing():
    many = examples(500, 500)
    assert split(many, 1) == [many]


@pytest.mark.parametrize("n", [2, 3, 4])
def test_parts_are_alike_and_keep_the_order(n):
    many = examples(*[30] * 40)
    parts = split(many, n)
    assert [example for part in parts for example in part] == many
    sizes = [sum(example.n_tokens for example in part) for part in parts]
    assert len(sizes) == n
    assert max(sizes) - min(sizes) <= 60


def test_one_long_example_is_a_part_of_its_own():
    parts = split(examples(5, 1000, 5), 2)
    assert sorted(map(len, parts)) == [1, 2]
    assert [len(part) for part in split(examples(1000), 2)] == [1]


def test_lanes_compute_at_once_in_threads_of_their_own(lanes):
    both = threading.Barrier(2, timeout=PATIENCE_S)

    def compute():
        both.wait()
        return threading.current_thread().name

    lanes.begin(compute)
    assert (lanes.n_busy, lanes.are_full) == (1, False)
    lanes.begin(compute)
    assert (lanes.n_busy, lanes.are_full) == (2, True)
    names = {lanes.take_done(), lanes.take_done()}
    assert names == {"polyhead-lane-0", "polyhead-lane-1"}
    assert (lanes.n_busy, lanes.has_done()) == (0, False)


def test_whoever_is_done_first_is_taken_back_first():
    told = threading.Event()
    lanes = Lanes(2, on_done=told.set)
    gate = threading.Event()
    lanes.begin(lambda: gate.wait(PATIENCE_S) and "late")
    assert not lanes.has_done()
    lanes.begin(lambda: "early")
    assert told.wait(PATIENCE_S)
    assert lanes.has_done()
    assert lanes.take_done() == "early"
    gate.set()
    assert lanes.take_done() == "late"
    lanes.close()


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt()])
def test_what_a_lane_raises_is_raised_where_it_is_taken_back(lanes, error):
    def fails():
        raise error

    for _ in range(3):  # its threads are still there
        lanes.begin(fails)
        with pytest.raises(type(error)):
            lanes.take_done()
        assert lanes.n_busy == 0
    lanes.begin(lambda: 1)
    assert lanes.take_done() == 1


@pytest.fixture
def four_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("four_threads")
def test_each_lane_has_its_share_of_the_threads_and_the_others_keep_theirs():
    lanes = Lanes()
    assert lanes.n == 2
    for _ in range(2):
        lanes.begin(torch.get_num_threads)
    seen = [lanes.take_done(), lanes.take_done()]
    lanes.close()
    assert seen == [2, 2]
    assert torch.get_num_threads() == 4


def test_answers_in_lanes_are_those_of_the_model(make_engine, model):
    engine = make_engine(lanes=2)
    texts = [f"red {'cat ' * (number % 9)}" for number in range(200)]
    reading = engine.read({"mood": texts, "topic": texts})
    assert reading.n_tokens > 1000
    request = engine.enqueue(reading)
    request.done.result(20)
    for task in ("mood", "topic"):
        expected = model.predict(texts, task=task)
        for found, other in zip(request.outcomes[task], expected, strict=True):
            assert found.label == other.label
            assert found.score == pytest.approx(other.score, abs=1e-5)


def test_settings_say_how_many():
    assert EngineSettings(lanes=3).lanes == 3
    assert EngineSettings().lanes is None


@pytest.fixture
def one_held(make_engine, model, gate):
    """An engine of two lanes, of which one computes and does not come back."""
    engine = make_engine(lanes=2)
    engine.submit("red", "mood").result(PATIENCE_S)
    model.heads["odd"].computes = gate
    request = engine.enqueue(engine.read({"odd": ["is the day"], "mood": [LONG] * 9}))
    assert gate.entered.wait(PATIENCE_S)
    yield SimpleNamespace(engine=engine, request=request, gate=gate)
    model.heads["odd"].computes = None
    gate.opened.set()
    request.done.result(PATIENCE_S)


def test_a_free_lane_takes_what_comes_while_another_computes(one_held):
    for n in (1, 9, 1):
        futures = [one_held.engine.submit(LONG, "topic") for _ in range(n)]
        assert all(isinstance(each.result(PATIENCE_S), Prediction) for each in futures)
    assert not one_held.request.done.done()


def test_an_engine_with_a_lane_that_never_comes_back_is_stalled(make_engine, model, gate, clock):
    engine = make_engine(lanes=2, clock=clock, stall_s=60.0)
    model.heads["odd"].computes = gate
    request = engine.enqueue(engine.read({"odd": ["is the day"], "mood": [LONG] * 9}))
    assert gate.entered.wait(PATIENCE_S)
    clock.now += 60.1
    engine.submit("red", "topic").result(PATIENCE_S)  # the other lane goes on
    assert engine.health().is_stalled
    model.heads["odd"].computes = None
    gate.opened.set()
    request.done.result(PATIENCE_S)
    assert engine.wait_until_empty(PATIENCE_S)
    assert not engine.health().is_stalled


def test_an_engine_waits_for_its_lanes_before_it_is_empty(one_held):
    engine = one_held.engine
    assert not engine.wait_until_empty(0.05)
    one_held.gate.opened.set()
    assert engine.wait_until_empty(PATIENCE_S)
    found = [each for outcomes in one_held.request.outcomes.values() for each in outcomes]
    assert all(isinstance(each, Prediction) for each in found)


def test_an_engine_that_dies_beside_a_lane_answers_nobody_twice(one_held, monkeypatch):
    engine = one_held.engine

    def dies(*_, **__):
        raise BaseException("by hand")  # noqa: TRY002 - no failure of a plugin

    monkeypatch.setattr(engine._worker, "_computed", dies)
    with pytest.raises(UnavailableError):
        engine.submit("red", "mood").result(PATIENCE_S)
    one_held.request.done.result(PATIENCE_S)
    assert isinstance(one_held.request.outcomes["odd"][0], UnavailableError)
    monkeypatch.undo()
    assert isinstance(engine.submit("red", "mood").result(PATIENCE_S), Prediction)
    one_held.gate.opened.set()  # what it computes nobody waits for any more
    assert engine.wait_until_empty(PATIENCE_S)
    assert isinstance(one_held.request.outcomes["odd"][0], UnavailableError)
    assert isinstance(engine.submit("red", "mood").result(PATIENCE_S), Prediction)
    assert engine.health().n_restarts == 1
