"""An engine that is closed answers what waits, takes nothing more, and leaves nobody waiting."""

import threading

import pytest

from polyhead.contracts import Prediction
from polyhead.errors import UnavailableError
from polyhead.serve import Engine
from polyhead.serve import worker as worker_module


def ask(engine, values, **options):
    return engine.enqueue(engine.read(values), **options)


def closing(engine, drain_s):
    thread = threading.Thread(target=engine.close, args=(drain_s,))
    thread.start()
    return thread


def test_a_draining_engine_answers_what_waits_and_refuses_what_comes(make_engine, held):
    engine = make_engine()
    with held(engine) as holding:
        waiting = ask(engine, {"mood": ["red"] * 5})
        bulk = engine.submit("red", "topic", priority="bulk")
        engine.drain()
        assert engine.health().is_draining
        assert not engine.is_ready
        for refused in (
            lambda: engine.submit("red", "mood"),
            engine.check_room,
            lambda: engine.check_room("bulk", ["mood"]),
        ):
            with pytest.raises(UnavailableError, match="stopping") as caught:
                refused()
            assert caught.value.retry_after_s > 0
        assert not engine.wait_until_empty(0.0)
    assert engine.wait_until_empty(20)
    assert isinstance(holding.future.result(0), Prediction)
    assert isinstance(bulk.result(0), Prediction)
    assert all(isinstance(each, Prediction) for each in waiting.outcomes["mood"])


def test_closing_answers_what_waits(make_engine, held):
    engine = make_engine()
    with held(engine):
        futures = [engine.submit("red", "mood") for _ in range(5)]
        thread = closing(engine, None)
    thread.join(20)
    assert all(isinstance(future.result(0), Prediction) for future in futures)
    assert not engine._worker._thread.is_alive()
    assert not engine.health().is_running


def test_closing_without_time_gives_up_what_waits_and_ends_what_is_computed(make_engine, held):
    engine = make_engine()
    with held(engine) as holding:
        future = engine.submit("red", "mood")
        request = ask(engine, {"topic": ["red", "blue"]}, priority="bulk")
        thread = closing(engine, 0.0)
        with pytest.raises(UnavailableError, match="was stopped before this was computed"):
            future.result(20)
        request.done.result(20)
        first, second = request.outcomes["topic"]
        assert type(first) is type(second) is UnavailableError
        assert first is not second
        assert not holding.future.done()
    thread.join(20)
    assert isinstance(holding.future.result(0), Prediction)
    assert engine.health().n_waiting == 0


def test_what_a_head_does_not_let_go_is_given_up_too(make_engine, held, monkeypatch):
    monkeypatch.setattr(worker_module, "_JOIN_S", 0.0)
    engine = make_engine()
    with held(engine) as holding:
        engine.close(0.0)
        with pytest.raises(UnavailableError):
            holding.future.result(0)
        assert not engine.health().is_running
    engine._worker._thread.join(20)
    assert not engine._worker._thread.is_alive()
    assert engine.health().n_restarts == 0


def test_closing_twice_does_nothing_more(make_engine):
    engine = make_engine()
    future = engine.submit("red", "mood")
    engine.close()
    engine.close()
    engine.close(drain_s=None)
    assert isinstance(future.result(0), Prediction)


def test_closing_from_several_threads_ends_for_all(make_engine, held):
    engine = make_engine()
    with held(engine):
        future = engine.submit("red", "mood")
        threads = [closing(engine, None) for _ in range(4)]
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()
    assert isinstance(future.result(0), Prediction)


def test_one_that_was_never_started_says_so_and_is_closed(model):
    engine = Engine(model)
    assert not engine.is_ready
    with pytest.raises(UnavailableError, match=r"not started; call engine\.start\(\) first"):
        engine.submit("red", "mood")
    with pytest.raises(UnavailableError, match="not started"):
        engine.check_room()
    assert engine.wait_until_empty(0.0)
    engine.close(drain_s=None)
    with pytest.raises(UnavailableError):
        engine.submit("red", "mood")


def test_one_that_was_closed_is_not_started_again(make_engine):
    engine = make_engine()
    engine.close()
    with pytest.raises(UnavailableError, match="make a new one"):
        engine.start()
    with pytest.raises(UnavailableError):
        engine.submit("red", "mood")


def test_a_closed_engine_still_refuses_examples_by_themselves(make_engine):
    engine = make_engine()
    engine.close()
    reading = engine.read({"mood": [""]})
    assert engine.enqueue(reading).done.done()


def test_it_may_be_closed_by_who_is_told_an_answer(make_engine):
    """In the engine's own thread, which cannot wait for itself."""
    engine = make_engine()
    closed = threading.Event()

    def close(_):
        engine.close(None)
        closed.set()

    engine.submit("red", "mood").add_done_callback(close)
    assert closed.wait(20)
    engine._worker._thread.join(20)
    assert not engine._worker._thread.is_alive()


def test_two_engines_serve_one_model(make_engine, model):
    first, second = make_engine(), make_engine()
    expected = model.predict("red", task="mood")
    assert [first.submit("red", "mood").result(20)] == expected
    first.close()
    assert [second.submit("red", "mood").result(20)] == expected


def test_an_error_inside_a_with_statement_closes_it_too(model):
    with pytest.raises(KeyError), Engine(model) as engine:
        raise KeyError
    assert not engine._worker._thread.is_alive()
