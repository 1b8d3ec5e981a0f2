"""Large batches in parts side by side."""

import threading
from types import SimpleNamespace

import pytest
import torch

from polyhead.serve import EngineSettings
from polyhead.serve.lanes import Lanes, split


def examples(*n_tokens):
    return [SimpleNamespace(encoded=SimpleNamespace(n_tokens=n)) for n in n_tokens]


class Example:
    """One that can be a key."""

    def __init__(self, n_tokens):
        self.encoded = SimpleNamespace(n_tokens=n_tokens)


@pytest.fixture
def lanes():
    made = Lanes(2)
    yield made
    made.close()


def test_few_tokens_stay_together():
    few = examples(100, 100)
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
    sizes = [sum(example.encoded.n_tokens for example in part) for part in parts]
    assert len(sizes) == n
    assert max(sizes) - min(sizes) <= 60


def test_one_long_example_is_a_part_of_its_own():
    parts = split(examples(5, 1000, 5), 2)
    assert sorted(map(len, parts)) == [1, 2]
    assert [len(part) for part in split(examples(1000), 2)] == [1]


def test_parts_are_computed_in_different_threads_at_once(lanes):
    both = threading.Barrier(2, timeout=20)
    names = set()

    def answer(part):
        both.wait()
        names.add(threading.current_thread().name)
        return {example: len(part) for example in part}

    batch = [Example(200) for _ in range(4)]
    assert lanes.outcomes(answer, batch) == dict.fromkeys(batch, 2)
    assert names == {"polyhead-lane-0", "polyhead-lane-1"}


def test_what_is_small_is_computed_by_whoever_asks(lanes):
    def answer(part):
        return dict.fromkeys(part, threading.current_thread().name)

    batch = [Example(5), Example(5)]
    assert set(lanes.outcomes(answer, batch).values()) == {threading.current_thread().name}


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt()])
def test_what_a_part_raises_is_raised_when_all_are_done(lanes, error):
    done = []

    def answer(part):
        if part[0] is batch[0]:
            raise error
        done.append(part)
        return dict.fromkeys(part)

    batch = [Example(300), Example(300)]
    with pytest.raises(type(error)):
        lanes.outcomes(answer, batch)
    assert done == [[batch[1]]]
    batch = [Example(300), Example(300)]
    with pytest.raises(type(error)):  # its threads are still there
        lanes.outcomes(answer, batch)


@pytest.fixture
def four_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("four_threads")
def test_each_lane_has_its_share_of_the_threads_and_the_others_keep_theirs():
    seen = []

    def answer(part):
        seen.append(torch.get_num_threads())
        return dict.fromkeys(part)

    lanes = Lanes()
    assert lanes.n == 2
    lanes.outcomes(answer, [Example(300), Example(300)])
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
