"""An example that fails, fails alone; whoever was computed with it is answered as if alone."""

import gc
import logging
import math
import weakref
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

import polyhead as ph
from polyhead.composition import Stack
from polyhead.contracts import Prediction
from polyhead.errors import (
    BrokenTaskError,
    ContractError,
    EngineError,
    InputError,
    NonFiniteError,
    PolyheadError,
)
from polyhead.serve import answering
from polyhead.serve.answering import Answering, is_finite
from polyhead.serve.reading import read
from polyhead.serve.scheduling.breakers import Breakers
from polyhead.serve.served_task import ServedTask

GOOD = ["the cat sat", "red", "a dog", "the mat is blue"]
BAD = "the dog ran on the bad red mat"  # the longest: its row is known by its length
LONG = 8


@pytest.fixture
def breakers(clock):
    return Breakers(failures=3, break_s=10.0, clock=clock)


@pytest.fixture
def answer(model, breakers):
    """Each task's outcomes, of a batch with all of their examples."""

    def answered(values, slow_head_s=1e6, answering=None):
        named = {ServedTask(name, name): texts for name, texts in values.items()}
        reading = read(model, named, private=False)
        answering = answering or Answering(model, breakers, slow_head_s)
        outcomes = answering.outcomes(reading.examples)
        assert set(outcomes) == set(reading.examples)
        found = {name: [None] * len(texts) for name, texts in values.items()}
        for example, outcome in outcomes.items():
            found[example.asked.served.name][example.place] = outcome
        return found

    return answered


@pytest.fixture
def alone(model):
    """What `predict` answers each text alone."""

    def answered(texts, task):
        return [found for text in texts for found in model.predict(text, task=task)]

    return answered


def assert_same(found, expected):
    for one, other in zip(found, expected, strict=True):
        assert isinstance(one, Prediction), one
        assert one.label == other.label
        assert one.probabilities == pytest.approx(other.probabilities, abs=1e-5)


def raising(error):
    """Fails for the bad text, in `forward`."""

    def computes(made, lengths):
        if any(length > LONG for length in lengths):
            raise error
        return made

    return computes


def nan(made, lengths):
    return made.masked_fill(torch.tensor(lengths)[:, None] > LONG, math.nan)


def infinite(made, lengths):
    return made.masked_fill(torch.tensor(lengths)[:, None] > LONG, math.inf)


def one_infinite(made, lengths):
    made = made.clone()
    made[torch.tensor(lengths) > LONG, 0] = -math.inf
    return made


def of_wrong_shape(made, lengths):
    return made[1:] if any(length > LONG for length in lengths) else made


def no_tensor(made, lengths):
    return "odd" if any(length > LONG for length in lengths) else made


COMPUTES = {
    "raises": (raising(ValueError("no")), ContractError),
    "calls sys.exit": (raising(SystemExit(1)), EngineError),
    "lacks memory": (raising(MemoryError()), EngineError),
    "refuses": (raising(InputError("no", index=0)), InputError),
    "returns NaN": (nan, NonFiniteError),
    "returns infinity": (infinite, NonFiniteError),
    "returns one infinity": (one_infinite, NonFiniteError),
    "returns a wrong shape": (of_wrong_shape, ContractError),
    "returns no tensor": (no_tensor, ContractError),
}


def answers_raising(error):
    def answers(made, texts):
        if BAD in texts:
            raise error
        return made

    return answers


def answers_nan(made, texts):
    return [
        each.model_copy(update={"score": math.nan}) if text == BAD else each
        for each, text in zip(made, texts, strict=True)
    ]


def too_few_answers(made, texts):
    return made[1:] if BAD in texts else made


ANSWERS = {
    "raises": (answers_raising(KeyError("no")), ContractError),
    "calls sys.exit": (answers_raising(SystemExit()), EngineError),
    "refuses": (answers_raising(InputError("no")), InputError),
    "stops": (answers_raising(StopIteration()), ContractError),
    "answers NaN": (answers_nan, NonFiniteError),
    "answers too few": (too_few_answers, ContractError),
}
WAYS = {f"forward {way}": ("computes", *found) for way, found in COMPUTES.items()}
WAYS |= {f"decode {way}": ("answers_with", *found) for way, found in ANSWERS.items()}


@pytest.fixture(params=WAYS.values(), ids=WAYS)
def failure(request, model):
    """One way in which the head fails for the bad text, and what is said of it."""
    where, does, kind = request.param
    setattr(model.heads["odd"], where, does)
    return kind


@pytest.mark.parametrize("place", [0, 2])
def test_only_the_guilty_example_fails(failure, place, answer, alone):
    texts = [*GOOD[:place], BAD, *GOOD[place:]]
    found = answer({"mood": texts, "odd": texts})
    failed = found["odd"].pop(place)
    assert type(failed) is failure
    assert not str(failed).startswith("example")
    assert_same(found["odd"], alone(GOOD, "odd"))
    assert_same(found["mood"], alone(texts, "mood"))


def test_a_guilty_example_that_is_alone_fails_the_same_way(failure, answer):
    [failed] = answer({"odd": [BAD]})["odd"]
    assert type(failed) is failure


def test_only_what_is_no_fault_of_the_input_counts_against_a_task(failure, answer, breakers):
    for _ in range(3):
        answer({"odd": [BAD], "mood": [BAD]})
    assert breakers.is_broken("odd") is (failure is not InputError)
    assert not breakers.is_broken("mood")


def test_several_guilty_examples_fail_each(model, answer, alone):
    model.heads["odd"].computes = nan
    texts = [BAD, *GOOD, BAD]
    found = answer({"odd": texts})["odd"]
    assert isinstance(found[0], NonFiniteError)
    assert isinstance(found[-1], NonFiniteError)
    assert_same(found[1:-1], alone(GOOD, "odd"))


def test_other_tasks_are_computed_once_whatever_a_head_does(model, answer, passes):
    """Trying again is paid by the task that failed."""
    model.heads["odd"].computes = raising(ValueError("no"))
    text = "the cat sat on the mat on the good red day"
    answer({"odd": [*GOOD, BAD], "mood": [text]})
    assert [rows for rows in passes if max(rows) == 13] == passes[:1]
    assert sum(map(len, passes[1:])) <= 5 + 3 + 2 + 2


def test_a_head_that_fails_for_all_is_not_asked_for_all(model, answer, breakers):
    asked = []

    def computes(made, lengths):
        asked.append(len(lengths))
        raise ValueError("no")

    model.heads["odd"].computes = computes
    found = answer({"odd": GOOD * 16, "mood": GOOD})
    kinds = [type(each) for each in found["odd"]]
    assert set(kinds) == {ContractError, BrokenTaskError}
    assert kinds.count(ContractError) == 3
    assert len(asked) < 16
    assert all(isinstance(each, Prediction) for each in found["mood"])
    assert breakers.is_broken("odd")


@pytest.mark.parametrize(
    ("does", "said"),
    [
        (raising(ValueError("no")), "ContractError"),
        (nan, "NonFiniteError"),
        (one_infinite, "NonFiniteError"),
    ],
)
def test_the_log_says_why_a_task_is_given_up(model, answer, caplog, does, said):
    model.heads["odd"].computes = does
    with caplog.at_level(logging.ERROR, logger="polyhead.engine"):
        for _ in range(5):
            answer({"odd": [BAD]})
    [record] = caplog.records
    assert record.message == f"the task 'odd' kept failing and is given up for a while: {said}"
    assert record.exc_info is not None


def test_an_error_that_is_kept_holds_no_batch(model, answer):
    """Tensors are not what the garbage collector counts."""
    held = []

    def computes(made, lengths):
        held.append(weakref.ref(made))
        raise ValueError("no")

    model.heads["odd"].computes = computes
    gc.collect()
    gc.disable()
    try:
        found = answer({"odd": [BAD], "mood": GOOD})
        assert isinstance(found["odd"][0], ContractError)
        assert [each() for each in held] == [None]
    finally:
        gc.enable()


def test_a_task_that_is_given_up_is_not_computed(model, answer, breakers, passes):
    for _ in range(3):
        breakers.failed("odd")
    found = answer({"odd": GOOD, "mood": ["red"]})
    assert all(isinstance(each, BrokenTaskError) for each in found["odd"])
    assert isinstance(found["mood"][0], Prediction)
    assert [len(rows) for rows in passes] == [1]
    assert "'odd'" in str(found["odd"][0])


def test_a_success_is_told_to_the_breakers(model, answer, breakers):
    for _ in range(2):
        breakers.failed("odd")
    answer({"odd": ["red"]})
    breakers.failed("odd")
    assert not breakers.is_broken("odd")


@pytest.fixture
def stopwatch(monkeypatch):
    """What heads are timed with."""
    found = SimpleNamespace(seconds=0.0)
    monkeypatch.setattr(answering, "time", SimpleNamespace(perf_counter=lambda: found.seconds))
    return found


def test_a_slow_head_is_answered_but_counts_as_failing(model, answer, breakers, stopwatch):
    def slow(made, lengths):
        stopwatch.seconds += 5.0
        return made

    model.heads["odd"].computes = slow
    for _ in range(3):
        found = answer({"mood": GOOD, "odd": GOOD}, slow_head_s=1.0)
        assert all(isinstance(each, Prediction) for each in found["odd"])
    assert breakers.is_broken("odd")
    assert not breakers.is_broken("mood")


def test_a_head_that_fails_slowly_is_not_tried_for_long(model, answer, stopwatch):
    def slow(made, lengths):
        stopwatch.seconds += 5.0
        raise ValueError("no")

    model.heads["odd"].computes = slow
    found = answer({"odd": GOOD * 16}, slow_head_s=1.0)
    assert stopwatch.seconds == 15.0
    assert all(isinstance(each, PolyheadError) for each in found["odd"])


def test_an_adapter_that_fails_takes_only_its_task_with_it(model, answer, alone, breakers):
    def taps(layer):
        raise RuntimeError("broken adapter")

    expected = {task: alone(GOOD, task) for task in ("topic", "bare", "odd")}
    model.adapters["mood"].taps = taps
    for _ in range(3):
        found = answer(dict.fromkeys(("topic", "mood", "bare", "odd"), GOOD))
    for task, answers in expected.items():
        assert_same(found[task], answers)
        assert not breakers.is_broken(task)
    assert all(isinstance(each, PolyheadError) for each in found["mood"])
    assert breakers.is_broken("mood")


def test_an_adapter_that_fails_for_one_text_fails_for_it_alone(model, answer, alone):
    expected = {task: alone([*GOOD, BAD], task) for task in ("mood", "topic")}

    def failing(values, packing):
        if any(length > LONG for length in packing.lengths):
            raise RuntimeError("broken adapter")
        return values

    layer = model.adapters["mood"].taps(0)
    model.adapters["mood"]._taps = (
        replace(layer, inner=failing),
        *model.adapters["mood"]._taps[1:],
    )
    found = answer({"mood": [BAD, *GOOD], "topic": [*GOOD, BAD]})
    assert isinstance(found["mood"][0], PolyheadError)
    assert_same(found["mood"][1:], expected["mood"][:-1])
    assert_same(found["topic"], expected["topic"])


def test_adapters_put_together_are_answered_as_alone(model, answer, alone, two_labels, shake):
    model.add_task("both", head=two_labels, share_adapter=Stack("mood", "topic"))
    shake(model.heads["both"], seed=5)
    found = answer({"both": GOOD, "mood": GOOD, "topic": GOOD})
    for task in ("both", "mood", "topic"):
        assert_same(found[task], alone(GOOD, task))


def test_a_part_that_fails_takes_what_is_put_together_of_it(
    model, answer, alone, two_labels, breakers
):
    model.add_task("both", head=two_labels, share_adapter=Stack("topic", "mood"))
    expected = alone(GOOD, "topic")

    def taps(layer):
        raise RuntimeError("broken adapter")

    model.adapters["mood"].taps = taps
    for _ in range(3):
        found = answer({"both": GOOD[:1], "topic": GOOD})
    assert isinstance(found["both"][0], PolyheadError)
    assert_same(found["topic"], expected)
    assert breakers.is_broken("both")
    assert not breakers.is_broken("topic")


def test_a_task_that_is_gone_fails_alone(model, breakers):
    named = {ServedTask(name, name): GOOD for name in ("mood", "topic")}
    reading = read(model, named, private=False)
    model.delete_task("mood")
    outcomes = Answering(model, breakers, 1e6).outcomes(reading.examples)
    for example, outcome in outcomes.items():
        expected = PolyheadError if example.asked.served.name == "mood" else Prediction
        assert isinstance(outcome, expected)


def test_nothing_is_asked_of_no_examples(model, breakers):
    assert Answering(model, breakers, 1.0).outcomes([]) == {}


class Nested(Prediction):
    """An answer with numbers in any place."""

    numbers: object = None
    inner: object = None


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize(
    "wrap",
    [
        lambda value: value,
        lambda value: [1.0, value],
        lambda value: (1, (value,)),
        lambda value: {"a": {"b": value}},
        lambda value: [Nested(numbers=value)],
    ],
)
def test_an_answer_with_a_number_that_is_none_is_found_out(bad, wrap):
    assert not is_finite(Nested(numbers=wrap(bad)))
    assert not is_finite(Nested(numbers=[], inner=wrap(bad)))
    assert is_finite(Nested(numbers=wrap(1e300), inner=["nan", None, True, 3]))


@pytest.mark.parametrize(
    ("config", "example"),
    [
        (ph.RegressionHeadConfig(), "red"),
        (ph.EmbeddingHeadConfig(projection=4, normalise=False), "red"),
        (ph.MultilabelHeadConfig(labels=("a", "b")), "red"),
        (ph.TaggingHeadConfig(labels=("O", "B-x", "I-x")), "red cat"),
        (ph.QuestionAnsweringHeadConfig(), ("who sat", "the cat sat on the mat")),
        (ph.MultipleChoiceHeadConfig(), ("who", ("cat", "dog"))),
        (ph.MaskedLMHeadConfig(), "the [MASK] sat"),
    ],
    ids=lambda value: getattr(type(value), "__name__", None),
)
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_damaged_weights_of_a_built_in_head_are_no_fault_of_the_input(
    model, answer, config, example, bad
):
    model.add_task("own", head=config, adapter=None)
    with torch.no_grad():
        for weight in model.heads["own"].parameters():
            weight.fill_(bad)
    [found] = answer({"own": [example]})["own"]
    assert isinstance(found, NonFiniteError)
