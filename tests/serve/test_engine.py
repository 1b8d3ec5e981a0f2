"""An engine answers as `predict` does, whoever asks, and computes what waits together."""

import asyncio
import threading
from concurrent.futures import CancelledError as FutureCancelled
from concurrent.futures import Future

import pytest

import polyhead as ph
from polyhead.contracts import Prediction
from polyhead.errors import (
    ConfigError,
    ContractError,
    InputError,
    UnavailableError,
    UnknownTaskError,
)
from polyhead.serve import Engine, EngineSettings, ServedTask
from polyhead.serve import worker as worker_module

TEXTS = ["the cat sat", "a bad day", "red", "the dog ran on the mat"]
CONTEXT = "the cat sat on the mat and the dog ran on the red day " * 20
HEADS = {
    "classification": (ph.ClassificationHeadConfig(labels=("a", "b")), TEXTS),
    "pairs": (ph.ClassificationHeadConfig(labels=("a", "b")), [("red", "blue"), ("cat", "dog")]),
    "regression": (ph.RegressionHeadConfig(), TEXTS),
    "multilabel": (ph.MultilabelHeadConfig(labels=("a", "b", "c")), TEXTS),
    "tagging": (ph.TaggingHeadConfig(labels=("O", "B-x", "I-x")), TEXTS),
    "embedding": (ph.EmbeddingHeadConfig(projection=4), TEXTS),
    "choice": (
        ph.MultipleChoiceHeadConfig(),
        [("who sat", ("cat", "dog", "mat")), ("a", ("b", "c"))],
    ),
    "answer": (
        ph.QuestionAnsweringHeadConfig(),
        [("who ran", CONTEXT), ("who sat", "the cat sat")],
    ),
    "mask": (ph.MaskedLMHeadConfig(), ["the [MASK] sat", "a [MASK] [MASK]"]),
}
ADAPTERS = [None, "seq_bn", "lora", "double_seq_bn", "prefix_tuning_flat"]


def numbers_of(value, found=None):
    """Every number in an answer, in order."""
    found = [] if found is None else found
    if isinstance(value, dict):
        for each in value.values():
            numbers_of(each, found)
    elif isinstance(value, list):
        for each in value:
            numbers_of(each, found)
    elif isinstance(value, float):
        found.append(value)
    return found


def assert_same(found, expected):
    assert type(found) is type(expected)
    one, other = found.model_dump(mode="json"), expected.model_dump(mode="json")
    assert numbers_of(one) == pytest.approx(numbers_of(other), abs=1e-4)
    assert one.keys() == other.keys()


@pytest.fixture
def every_head(make_model, shake):
    """A task of each built-in kind of head, with adapters of several kinds."""
    model = make_model()
    for number, (name, (config, _)) in enumerate(HEADS.items()):
        model.add_task(name, head=config, adapter=ADAPTERS[number % len(ADAPTERS)])
        shake(model.heads[name], seed=number)
        if name in model.adapters:
            shake(model.adapters[name], seed=100 + number)
    return model


def test_answers_are_those_of_predict_for_every_kind_of_head(every_head, make_engine):
    """All asked at once; windows of a long text and choices of a question among them."""
    expected = {
        name: [every_head.predict([each], task=name)[0] for each in examples]
        for name, (_, examples) in HEADS.items()
    }
    engine = make_engine(of=every_head, start=False)
    reading = engine.read({name: examples for name, (_, examples) in HEADS.items()})
    assert max(len(each.encoded.rows) for each in reading.examples) > 3
    futures = []
    engine.start()
    for place in range(4):  # and again one by one, in another order
        for name, (_, examples) in HEADS.items():
            if place < len(examples):
                futures.append((name, place, engine.submit(examples[place], name)))
    request = engine.enqueue(reading)
    request.done.result(20)
    for name, answers in expected.items():
        for found, other in zip(request.outcomes[name], answers, strict=True):
            assert_same(found, other)
    for name, place, future in futures:
        assert_same(future.result(20), expected[name][place])


def test_what_comes_while_a_batch_is_computed_is_in_the_next_one(make_engine, held, batches):
    engine = make_engine()
    seen = batches(engine)
    with held(engine):
        futures = [
            engine.submit(text, task) for text in TEXTS for task in ("mood", "topic", "bare")
        ]
        assert engine.health().n_waiting == 12
    for future in futures:
        assert isinstance(future.result(20), Prediction)
    assert [len(batch) for batch in seen] == [1, 12]


def test_one_that_comes_alone_is_computed_alone_and_at_once(make_engine, batches):
    engine = make_engine()
    seen = batches(engine)
    for text in TEXTS:
        engine.submit(text, "mood").result(20)
    assert seen == [[("mood", text)] for text in TEXTS]


def test_a_batch_holds_no_more_than_its_budget(make_engine, held, batches):
    engine = make_engine(max_batch_tokens=64)
    seen = batches(engine)
    with held(engine):
        futures = [engine.submit("the cat sat", "mood") for _ in range(40)]
    for future in futures:
        future.result(20)
    assert [len(batch) for batch in seen[1:]] == [12, 12, 12, 4]


def test_a_batch_is_as_large_as_fits_the_time_that_it_may_take(make_engine, held, batches, steady):
    engine = make_engine(pace=steady(0.0, 0.001), target_s=0.1)
    seen = batches(engine)
    with held(engine):
        futures = [engine.submit("the cat sat", "mood") for _ in range(40)]
    for future in futures:
        future.result(20)
    assert [len(batch) for batch in seen[1:]] == [20, 20]


def test_several_tasks_on_one_text_are_one_pass_over_one_row(
    make_engine, model, passes, two_labels
):
    names = ["bare", "two", "three"]
    for name in names[1:]:
        model.add_task(name, head=two_labels, adapter=None)
    engine = make_engine()
    engine.submit("red", "bare").result(20)
    passes.clear()
    texts = ["the cat sat", "a bad day"]
    request = engine.enqueue(engine.read(dict.fromkeys(names, texts)))
    request.done.result(20)
    assert [sorted(rows) for rows in passes] == [[5, 5]]
    for name in names:
        for found, other in zip(
            request.outcomes[name],
            model.predict(["the cat sat", "a bad day"], task=name),
            strict=True,
        ):
            assert_same(found, other)


def test_examples_that_read_the_same_rows_share_a_batch_that_others_fill(
    make_engine, held, batches
):
    engine = make_engine(max_batch_tokens=64)
    seen = batches(engine)
    with held(engine):
        futures = [engine.submit("a good day", "mood") for _ in range(30)]
        request = engine.enqueue(engine.read({"topic": ["the cat sat"], "mood": ["the cat sat"]}))
    request.done.result(20)
    for future in futures:
        future.result(20)
    [batch] = [batch for batch in seen if ("topic", "the cat sat") in batch]
    assert ("mood", "the cat sat") in batch


def test_an_idle_engine_sleeps(make_engine):
    """Its thread waits to be told, and is told of nothing but what it waits for."""
    engine = make_engine()
    engine.submit("red", "mood").result(20)
    assert engine.wait_until_empty(20)
    waits = []
    wait_for = engine._backlog._changed.wait_for

    def watched(predicate, timeout=None):
        waits.append((threading.current_thread().name, timeout))
        return wait_for(predicate, timeout)

    engine._backlog._changed.wait_for = watched
    engine.submit("red", "mood").result(20)
    assert engine.wait_until_empty(20)
    engine.submit("red", "mood").result(20)
    own = [timeout for name, timeout in waits if name == "polyhead-engine"]
    assert set(own) <= {None}
    assert len(own) <= 2


def test_it_is_started_by_a_with_statement_and_stopped_after_it(model):
    with Engine(model) as engine:
        assert isinstance(engine.submit("red", "mood").result(20), Prediction)
    with pytest.raises(UnavailableError):
        engine.submit("red", "mood")


def test_without_settings_it_has_the_usual_ones(model):
    assert Engine(model).settings == EngineSettings()


def test_what_is_asked_before_it_has_warmed_up_waits(make_engine, monkeypatch, gate):
    def warm_up(model, pace, most_tokens):
        gate(None, None)

    monkeypatch.setattr(worker_module, "warm_up", warm_up)
    engine = make_engine()
    future = engine.submit("red", "mood")
    assert gate.entered.wait(20)
    assert not engine.health().is_running
    assert not engine.is_ready
    assert not future.done()
    gate.opened.set()
    assert isinstance(future.result(20), Prediction)
    assert engine.is_ready


def test_starting_twice_starts_one_thread(make_engine):
    engine = make_engine()
    thread = engine._worker._thread
    engine.start()
    assert engine._worker._thread is thread


def test_a_task_is_known_by_another_name_than_the_models(make_engine, model):
    engine = make_engine()
    found = engine.submit("red", ServedTask("public", "mood", "3")).result(20)
    assert_same(found, model.predict("red", task="mood")[0])


def test_a_model_may_be_given_tasks_while_it_serves(make_engine, model, two_labels):
    engine = make_engine()
    model.add_task("new", head=two_labels)
    assert isinstance(engine.submit("red", "new").result(20), Prediction)
    model.delete_task("new")
    with pytest.raises(UnknownTaskError):
        engine.submit("red", "new")


class TestWrongArguments:
    @pytest.fixture
    def engine(self, make_engine):
        return make_engine()

    def test_an_unknown_task_is_refused_at_once(self, engine):
        with pytest.raises(UnknownTaskError, match="no task 'moood'"):
            engine.submit("red", "moood")
        with pytest.raises(UnknownTaskError, match="no task 'moood'"):
            asyncio.run(engine.asubmit("red", "moood"))

    @pytest.mark.parametrize("wrong", ["", "  ", 3, None, object(), {"text": None}, {"txt": "a"}])
    def test_an_example_that_cannot_be_used_fails_its_future(self, engine, wrong):
        future = engine.submit(wrong, "mood")
        assert isinstance(future, Future)
        with pytest.raises(InputError):
            future.result(20)
        with pytest.raises(InputError):
            asyncio.run(engine.asubmit(wrong, "mood"))

    @pytest.mark.parametrize("priority", ["urgent", "", None, 1, ["bulk"]])
    @pytest.mark.parametrize("text", ["red", ""])
    def test_an_odd_priority_is_refused(self, engine, priority, text):
        with pytest.raises(ConfigError, match=r"^priority is 'interactive' or 'bulk', not "):
            engine.submit(text, "mood", priority=priority)
        with pytest.raises(ConfigError, match=r"^priority is 'interactive' or 'bulk', not "):
            engine.check_room(priority)
        assert engine.health().n_waiting == 0

    @pytest.mark.parametrize("timeout_s", [0, -1, -0.0, float("nan"), "3", True, [1]])
    def test_an_odd_timeout_is_refused(self, engine, timeout_s):
        with pytest.raises(ConfigError, match=r"^timeout_s is a number of seconds above 0"):
            engine.submit("red", "mood", timeout_s=timeout_s)

    @pytest.mark.parametrize("timeout_s", [None, 100, 1e9, float("inf")])
    def test_any_time_above_none_is_taken(self, engine, timeout_s):
        assert isinstance(engine.submit("red", "mood", timeout_s=timeout_s).result(20), Prediction)

    @pytest.mark.parametrize("values", [{}, {"mood": []}, {"mood": [], "topic": []}])
    def test_nothing_asked_is_done_at_once(self, engine, values):
        request = engine.enqueue(engine.read(values))
        assert request.done.done()
        assert request.outcomes == values

    def test_what_failed_says_so_in_one_line(self, engine):
        def fail(made, lengths):
            raise ValueError("two\nlines")

        engine.model.heads["odd"].computes = fail
        with pytest.raises(ContractError) as caught:
            engine.submit("red", "odd").result(20)
        assert "\n" not in str(caught.value)

    def test_a_cancelled_future_is_cancelled(self, engine, held):
        with held(engine):
            future = engine.submit("red", "mood")
            assert future.cancel()
        with pytest.raises(FutureCancelled):
            future.result(0)
