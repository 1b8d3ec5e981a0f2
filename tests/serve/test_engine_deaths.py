"""An engine whose thread dies says so to all who wait, and goes on with another."""

import ctypes
import logging
import threading

import pytest

from polyhead.contracts import Prediction
from polyhead.errors import PolyheadError, UnavailableError
from polyhead.serve import worker as worker_module


class Killed(BaseException):
    """No failure of a plugin."""


def ask(engine, values, **options):
    return engine.enqueue(engine.read(values), **options)


def is_ready_again(engine):
    """Waits for an answer: the engine is warm then."""
    return isinstance(engine.submit("red", "mood").result(20), Prediction) and engine.is_ready


@pytest.fixture(autouse=True)
def _no_delay(monkeypatch, caplog):
    monkeypatch.setattr(worker_module, "_FIRST_RESTART_S", 0.001)
    caplog.set_level(logging.CRITICAL, logger="polyhead.engine")


@pytest.fixture
def die(model):
    """Lets the head odd kill whoever computes it, once it is told to."""
    switch = threading.Event()
    entered = threading.Event()

    def computes(made, lengths):
        entered.set()
        assert switch.wait(20)
        model.heads["odd"].computes = None
        raise Killed("by hand\nreally")

    model.heads["odd"].computes = computes
    return switch, entered


def test_whoever_waits_is_told_at_once_and_those_who_come_later_are_answered(make_engine, die):
    switch, entered = die
    engine = make_engine()
    computed = engine.submit("red", "odd")
    assert entered.wait(20)
    waiting = [engine.submit("red", task) for task in ("mood", "topic")]
    bulk = ask(engine, {"mood": ["red"] * 20}, priority="bulk")
    switch.set()
    for future in (computed, *waiting):
        with pytest.raises(
            UnavailableError, match=r"died with this in it \(Killed: by hand really\)"
        ):
            future.result(20)
    bulk.done.result(20)
    assert all(isinstance(each, UnavailableError) for each in bulk.outcomes["mood"])
    assert bulk.outcomes["mood"][0].retry_after_s == 1.0
    assert is_ready_again(engine)
    assert engine.health().n_restarts == 1


def test_it_is_not_ready_until_another_thread_has_warmed_up(make_engine, die, monkeypatch, gate):
    switch, entered = die
    engine = make_engine()
    future = engine.submit("red", "odd")
    assert entered.wait(20)
    assert engine.is_ready
    warm_up = worker_module.warm_up
    monkeypatch.setattr(worker_module, "warm_up", lambda *args: (gate(None, None), warm_up(*args)))
    switch.set()
    future.exception(20)
    assert gate.entered.wait(20)
    assert not engine.is_ready
    assert not engine.health().is_running
    later = engine.submit("red", "mood")
    gate.opened.set()
    assert isinstance(later.result(20), Prediction)
    assert engine.is_ready


@pytest.mark.parametrize("error", [KeyboardInterrupt(), GeneratorExit(), Killed()])
def test_whatever_ends_the_thread_another_takes_its_place(make_engine, model, error):
    def computes(made, lengths):
        raise error

    engine = make_engine()
    for number in range(3):
        model.heads["odd"].computes = computes
        with pytest.raises(UnavailableError):
            engine.submit("red", "odd").result(20)
        model.heads["odd"].computes = None
        assert is_ready_again(engine)
        assert engine.health().n_restarts == number + 1


def kill(thread):
    n_told = ctypes.pythonapi.PyThreadState_SetAsyncExc(
        ctypes.c_ulong(thread.ident), ctypes.py_object(Killed)
    )
    assert n_told == 1


def test_a_thread_that_is_killed_from_outside_is_replaced(make_engine, held):
    engine = make_engine()
    with held(engine) as holding:
        waiting = engine.submit("red", "mood")
        kill(engine._worker._thread)
    for future in (holding.future, waiting):
        assert isinstance(future.exception(20), UnavailableError)
    assert is_ready_again(engine)
    assert engine.health().n_restarts == 1


def test_a_thread_that_is_killed_while_it_sleeps_is_replaced(make_engine):
    engine = make_engine()
    assert is_ready_again(engine)
    assert engine.wait_until_empty(20)
    before = engine._worker._thread
    kill(before)
    error = engine.submit("red", "mood").exception(20)  # it wakes the thread up
    assert error is None or isinstance(error, UnavailableError)
    before.join(20)
    assert is_ready_again(engine)
    assert engine.health().n_restarts == 1


@pytest.mark.parametrize(
    ("part", "step"),
    [("_backlog", "next"), ("_worker", "_begin"), ("_worker", "_computed"), ("_worker", "_finish")],
)
def test_no_example_is_lost_wherever_the_thread_dies(make_engine, held, part, step):
    """Also where it has taken examples, and put them nowhere yet."""
    engine = make_engine()
    owner = getattr(engine, part)
    with held(engine):
        requests = [ask(engine, {"mood": ["red"] * 5, "topic": ["red"] * 5}) for _ in range(4)]
        whole = getattr(owner, step)
        calls = []

        def dies(*args, **options):
            calls.append(1)
            if len(calls) == 1:
                raise Killed
            return whole(*args, **options)

        setattr(owner, step, dies)
    for request in requests:
        request.done.result(20)
        found = [each for outcomes in request.outcomes.values() for each in outcomes]
        assert len(found) == 10
        assert all(isinstance(each, UnavailableError) for each in found)
    assert is_ready_again(engine)
    health = engine.health()
    assert (health.n_waiting, health.waiting_tokens, health.n_restarts) == (0, 0, 1)


@pytest.mark.parametrize("n_dropped", range(12))
def test_no_example_is_lost_where_it_dies_in_the_midst_of_taking(make_engine, held, n_dropped):
    engine = make_engine()
    queue = engine._backlog._queues["interactive"]
    drop = queue.drop
    calls = []

    def dies(example):
        calls.append(example)
        if len(calls) == n_dropped + 1:
            raise Killed
        return drop(example)

    with held(engine):
        request = ask(engine, {"mood": ["red"] * 5, "topic": ["red"] * 5})
        queue.drop = dies
    request.done.result(20)
    queue.drop = drop
    assert is_ready_again(engine)
    health = engine.health()
    assert (health.n_waiting, health.waiting_tokens) == (0, 0)


def test_a_warm_up_that_fails_is_tried_again(make_engine, monkeypatch):
    calls = []
    warm_up = worker_module.warm_up

    def failing(*args):
        calls.append(1)
        if len(calls) < 3:
            raise MemoryError
        return warm_up(*args)

    monkeypatch.setattr(worker_module, "warm_up", failing)
    engine = make_engine()
    errors = []
    while True:
        error = engine.submit("red", "mood").exception(20)
        if error is None:
            break
        errors.append(error)
    assert all(isinstance(error, UnavailableError) for error in errors)
    assert engine.is_ready
    assert engine.health().n_restarts == 2


def test_the_longer_it_fails_the_longer_it_waits(make_engine, monkeypatch):
    delays = []
    start = worker_module.Worker._start_thread
    enough = threading.Event()

    def watched(engine, delay_s):
        delays.append(delay_s)
        if len(delays) == 10:
            enough.set()
        start(engine, min(delay_s, 0.001) if delay_s < 1.0 else 0.0)

    def failing(*_):
        raise ValueError("no")

    monkeypatch.setattr(worker_module.Worker, "_start_thread", watched)
    monkeypatch.setattr(worker_module, "warm_up", failing)
    engine = make_engine()
    assert enough.wait(20)
    engine.close(0.0)
    assert delays[0] == 0.0
    assert 0 < delays[1] <= worker_module._LONGEST_RESTART_S


def test_one_that_worked_for_long_starts_again_soon(make_engine, die, clock, monkeypatch):
    switch, entered = die
    delays = []
    start = worker_module.Worker._start_thread

    def watched(engine, delay_s):
        delays.append(delay_s)
        start(engine, 0.0)

    monkeypatch.setattr(worker_module.Worker, "_start_thread", watched)
    engine = make_engine(clock=clock)
    future = engine.submit("red", "odd")
    assert entered.wait(20)
    clock.now += 1000.0
    switch.set()
    future.exception(20)
    assert is_ready_again(engine)
    assert delays == [0.0, worker_module._FIRST_RESTART_S]


def test_one_that_dies_while_it_is_closed_stays_closed(make_engine, die):
    switch, entered = die
    engine = make_engine()
    future = engine.submit("red", "odd")
    assert entered.wait(20)
    waiting = engine.submit("red", "mood")
    closing = threading.Thread(target=engine.close, args=(None,))
    closing.start()
    switch.set()
    closing.join(20)
    assert not closing.is_alive()
    for each in (future, waiting):
        assert isinstance(each.exception(0), PolyheadError)
    assert not engine.health().is_running
    engine._worker._thread.join(20)
    assert not engine._worker._thread.is_alive()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_is_gone_without_a_word_is_noticed(make_engine):
    engine = make_engine()
    assert is_ready_again(engine)

    def gone(*_, **__):
        raise SystemExit

    engine._worker._restart = gone
    engine._worker._answering.outcomes = gone_with(Killed)
    with pytest.raises(UnavailableError):
        engine.submit("red", "mood").result(20)
    engine._worker._thread.join(20)
    assert not engine.is_ready
    with pytest.raises(UnavailableError):
        engine.submit("red", "mood")


def gone_with(error):
    def computes(*_):
        raise error

    return computes


class TestStalling:
    def test_one_that_finishes_nothing_for_long_is_stalled(self, make_engine, held, clock):
        engine = make_engine(clock=clock, stall_s=60.0)
        with held(engine):
            clock.now += 60.0
            assert not engine.health().is_stalled
            assert engine.is_ready
            clock.now += 0.1
            assert engine.health().is_stalled
            assert not engine.is_ready
            engine.submit("red", "mood")  # that more comes is no progress
            assert engine.health().is_stalled
        assert engine.wait_until_empty(20)
        assert engine.is_ready

    def test_one_that_has_nothing_to_do_is_not(self, make_engine, clock):
        engine = make_engine(clock=clock, stall_s=60.0)
        assert is_ready_again(engine)
        clock.now += 1e6
        assert engine.is_ready

    def test_what_comes_after_a_long_rest_has_its_time(self, make_engine, held, clock):
        engine = make_engine(clock=clock, stall_s=60.0)
        assert is_ready_again(engine)
        assert engine.wait_until_empty(20)
        clock.now += 1e6
        with held(engine):
            assert engine.is_ready

    def test_one_whose_thread_never_takes_what_comes_is_stalled(
        self, make_engine, clock, monkeypatch, gate
    ):
        monkeypatch.setattr(worker_module, "warm_up", lambda *_: gate(None, None))
        engine = make_engine(clock=clock, stall_s=60.0)
        for _ in range(10):
            engine.submit("red", "mood")
            clock.now += 10.0
        assert engine.health().is_stalled
        gate.opened.set()
