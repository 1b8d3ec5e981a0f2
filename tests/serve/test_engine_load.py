"""Under load tasks take turns, what is too late is dropped, and what is too much is refused."""

import pytest

from polyhead.contracts import Prediction
from polyhead.errors import (
    BrokenTaskError,
    CancelledError,
    ExpiredError,
    NonFiniteError,
    OverloadedError,
)
from polyhead.serve import ServedTask

TEXT = "the cat sat"  # five tokens
BUDGET = 64  # twelve of them


def finish(engine):
    assert engine.wait_until_empty(20)


def ask(engine, values, **options):
    return engine.enqueue(engine.read(values), **options)


def tasks(batch):
    return [task for task, _ in batch]


def test_a_thousand_examples_of_one_task_do_not_delay_one_of_another(make_engine, held, batches):
    engine = make_engine(max_batch_tokens=10 * BUDGET)
    seen = batches(engine)
    with held(engine):
        many = ask(engine, {"mood": [TEXT] * 1000})
        one = engine.submit(TEXT, "topic")
    one.result(20)
    many.done.result(20)
    assert "topic" in tasks(seen[1])
    assert len(seen) == 1 + 8


def test_tasks_are_served_by_tokens_in_turn(make_engine, held, batches):
    engine = make_engine(max_batch_tokens=BUDGET)
    seen = batches(engine)
    with held(engine):
        ask(engine, {"mood": [TEXT] * 200})
        ask(engine, {"topic": [TEXT] * 200})
        ask(engine, {"bare": ["red"] * 200})
    finish(engine)
    first = [task for batch in seen[1:16] for task in tasks(batch)]
    assert first.count("mood") == pytest.approx(first.count("topic"), abs=4)
    assert 3 * first.count("bare") == pytest.approx(5 * first.count("topic"), rel=0.2)


def test_the_examples_of_a_task_are_computed_in_their_order(make_engine, held, batches):
    engine = make_engine(max_batch_tokens=BUDGET)
    seen = batches(engine)
    texts = [f"{word} {other}" for word in ("red", "cat", "dog") for other in ("a", "b", "c", "d")]
    with held(engine):
        for text in texts:
            engine.submit(text, "mood")
            engine.submit(text, "topic")
    finish(engine)
    for task in ("mood", "topic"):
        assert [text for batch in seen for own, text in batch if own == task] == texts


def test_bulk_fills_what_others_leave(make_engine, held, batches):
    engine = make_engine(max_batch_tokens=BUDGET)
    seen = batches(engine)
    with held(engine):
        ask(engine, {"mood": [TEXT] * 30}, priority="bulk")
        ask(engine, {"topic": [TEXT] * 20})
    finish(engine)
    assert [tasks(batch).count("topic") for batch in seen[1:]] == [12, 8, 0, 0, 0]
    assert [tasks(batch).count("mood") for batch in seen[1:]] == [0, 4, 12, 12, 2]


def test_bulk_never_displaces_what_comes_later(make_engine, held, batches):
    engine = make_engine(max_batch_tokens=BUDGET)
    seen = batches(engine)
    with held(engine):
        ask(engine, {"mood": [TEXT] * 100}, priority="bulk")
        late = engine.submit(TEXT, "topic")
    late.result(20)
    assert seen[1][0] == ("topic", TEXT)
    finish(engine)
    assert sum(len(batch) for batch in seen) == 102


def test_bulk_is_answered_too(make_engine):
    engine = make_engine()
    assert isinstance(engine.submit(TEXT, "mood", priority="bulk").result(20), Prediction)


class TestDeadlines:
    def test_what_is_too_late_is_dropped_and_not_computed(self, make_engine, held, batches, clock):
        engine = make_engine(clock=clock)
        seen = batches(engine)
        with held(engine):
            late = engine.submit("red", "mood", timeout_s=5.0)
            kept = engine.submit("blue", "mood", timeout_s=5.5)
            clock.now += 5.0
        with pytest.raises(ExpiredError):
            late.result(20)
        with pytest.raises(TimeoutError):
            late.result(20)
        assert isinstance(kept.result(20), Prediction)
        assert seen[1:] == [[("mood", "blue")]]

    def test_a_whole_batch_that_is_too_late_harms_none_after_it(self, make_engine, held, clock):
        engine = make_engine(clock=clock)
        with held(engine):
            late = ask(engine, {"mood": ["red"] * 50}, timeout_s=1.0)
            clock.now += 2.0
        late.done.result(20)
        assert all(isinstance(each, ExpiredError) for each in late.outcomes["mood"])
        assert isinstance(engine.submit("red", "mood").result(20), Prediction)

    def test_an_answer_that_comes_late_is_given_all_the_same(self, make_engine, held, clock):
        """It was in a batch before its time was over."""
        engine = make_engine(clock=clock)
        engine.model.heads["odd"].computes = None
        with held(engine) as holding:
            clock.now += 1000.0
        assert isinstance(holding.future.result(20), Prediction)

    def test_bulk_that_never_finds_room_is_told_when_its_time_is_over(
        self, make_engine, held, clock, batches
    ):
        engine = make_engine(clock=clock, max_batch_tokens=BUDGET)
        seen = batches(engine)
        with held(engine):
            bulk = engine.submit(TEXT, "mood", priority="bulk", timeout_s=5.0)
            ask(engine, {"topic": ["the cat sat on the mat is"] * 100})
            clock.now += 6.0
        with pytest.raises(ExpiredError):
            bulk.result(20)
        assert len(seen) < 10
        finish(engine)


class TestGivingUp:
    def test_a_cancelled_future_is_not_computed_and_leaves_the_estimate(
        self, make_engine, held, batches
    ):
        engine = make_engine()
        seen = batches(engine)
        with held(engine):
            kept = engine.submit("blue", "mood")
            before = engine.health()
            futures = [engine.submit(TEXT, "topic") for _ in range(10)]
            assert engine.health().waiting_tokens == before.waiting_tokens + 50
            assert engine.health().estimated_wait_s > before.estimated_wait_s
            assert all(future.cancel() for future in futures)
            assert engine.health() == before
        kept.result(20)
        assert seen[1:] == [[("mood", "blue")]]

    def test_a_request_that_is_given_up_is_not_computed(self, make_engine, held, batches):
        engine = make_engine()
        seen = batches(engine)
        with held(engine):
            request = ask(engine, {"mood": [TEXT] * 3, "topic": [TEXT] * 3})
            request.give_up()
            assert request.done.done()
            assert engine.health().n_waiting == engine.health().waiting_tokens == 0
        found = [each for outcomes in request.outcomes.values() for each in outcomes]
        assert len(found) == 6
        assert all(isinstance(each, CancelledError) for each in found)
        finish(engine)
        assert len(seen) == 1

    def test_one_given_up_before_it_waits_is_not_computed(self, make_engine, held, batches):
        engine = make_engine()
        seen = batches(engine)
        reading = engine.read({"mood": [TEXT]})
        reading.request.give_up()
        with held(engine):
            engine.enqueue(reading)
            assert engine.health().n_waiting == 0
        finish(engine)
        assert [tasks(batch) for batch in seen] == [["odd"]]
        assert isinstance(reading.request.outcomes["mood"][0], CancelledError)

    def test_one_given_up_while_it_is_computed_harms_nobody(self, make_engine, held):
        engine = make_engine()
        with held(engine) as holding:
            together = engine.submit("red", "mood")
            assert holding.future.cancel()
        assert isinstance(together.result(20), Prediction)
        assert engine.health().n_restarts == 0

    def test_one_given_up_after_it_is_done_keeps_its_answers(self, make_engine):
        engine = make_engine()
        request = ask(engine, {"mood": [TEXT]})
        request.done.result(20)
        request.give_up()
        assert isinstance(request.outcomes["mood"][0], Prediction)

    def test_nothing_is_held_of_what_was_given_up(self, make_engine, held):
        engine = make_engine()
        with held(engine):
            for _ in range(50):
                ask(engine, {"mood": [TEXT] * 5}, priority="bulk", timeout_s=1e6).give_up()
            queue = engine._backlog._queues["bulk"]
            assert not any(line.examples for line in queue._lines.values())
            assert len(queue._deadlines) <= 64


class TestOverload:
    """With a pace of 10 ms a token: the five tokens of a text take 50 ms."""

    @pytest.fixture
    def make_slow(self, make_engine, steady):
        def make(**fields):
            return make_engine(pace=steady(0.0, 0.01), max_batch_tokens=BUDGET, **fields)

        return make

    def test_what_would_wait_for_too_long_is_refused_with_when_to_come_again(self, make_slow, held):
        engine = make_slow(max_wait_s=2.0)
        with held(engine):
            ask(engine, {"mood": [TEXT] * 100})
            with pytest.raises(
                OverloadedError, match=r"takes about 5\.\d s, longer than the 2 s"
            ) as e:
                engine.submit(TEXT, "mood")
            assert 2.5 < e.value.retry_after_s < 3.5
        finish(engine)
        assert isinstance(engine.submit(TEXT, "mood").result(20), Prediction)

    def test_one_rule_holds_for_single_examples_and_for_many(self, make_slow, held):
        engine = make_slow(max_wait_s=2.0)
        with held(engine):
            ask(engine, {"mood": [TEXT] * 100})
            for n_examples in (1, 10):
                with pytest.raises(OverloadedError):
                    ask(engine, {"mood": [TEXT] * n_examples})
            with pytest.raises(OverloadedError):
                engine.check_room("interactive", ["mood"])

    def test_another_task_is_still_taken(self, make_slow, held):
        """Since it would not wait for so long."""
        engine = make_slow(max_wait_s=2.0)
        with held(engine):
            ask(engine, {"mood": [TEXT] * 100})
            engine.check_room("interactive", ["topic"])
            future = engine.submit(TEXT, "topic")
        assert isinstance(future.result(20), Prediction)

    def test_of_several_tasks_the_busiest_decides_and_all_or_nothing_is_taken(
        self, make_slow, held
    ):
        engine = make_slow(max_wait_s=2.0)
        with held(engine):
            ask(engine, {"mood": [TEXT] * 100})
            before = engine.health()
            with pytest.raises(OverloadedError):
                ask(engine, {"topic": [TEXT], "mood": [TEXT]})
            with pytest.raises(OverloadedError):
                engine.check_room("interactive", ["topic", "mood"])
            assert engine.health() == before

    def test_what_allows_less_time_is_refused_earlier(self, make_slow, held):
        engine = make_slow(max_wait_s=100.0)
        with held(engine):
            ask(engine, {"mood": [TEXT] * 100})
            with pytest.raises(
                OverloadedError, match=r"longer than the 3 s that the request allows"
            ):
                engine.submit(TEXT, "mood", timeout_s=3.0)
            engine.submit(TEXT, "mood", timeout_s=30.0)

    def test_bulk_may_wait_for_longer(self, make_slow, held):
        engine = make_slow(max_wait_s=2.0, max_bulk_wait_s=10.0)
        with held(engine):
            ask(engine, {"mood": [TEXT] * 150})
            engine.submit(TEXT, "mood", priority="bulk")
            ask(engine, {"topic": [TEXT] * 100}, priority="bulk")
            with pytest.raises(OverloadedError, match="longer than the 10 s"):
                engine.submit(TEXT, "topic", priority="bulk")

    def test_bulk_that_waits_delays_nobody_else(self, make_slow, held):
        engine = make_slow(max_wait_s=2.0, max_bulk_wait_s=1000.0)
        with held(engine):
            ask(engine, {"mood": [TEXT] * 1000}, priority="bulk")
            engine.check_room("interactive", ["mood"])
            assert engine.health().estimated_wait_s < 1.0

    def test_what_is_computed_now_counts_too(self, make_slow, held):
        engine = make_slow(max_wait_s=0.04)
        with held(engine), pytest.raises(OverloadedError):
            engine.check_room("interactive", ["mood"])
        finish(engine)
        engine.check_room("interactive", ["mood"])

    def test_memory_that_waits_is_bounded(self, make_engine, held):
        engine = make_engine(max_waiting_bytes=20_000)
        with held(engine):
            ask(engine, {"mood": [TEXT] * 7})  # of somewhat more than 2,000 bytes each
            engine.submit(TEXT, "mood")
            with pytest.raises(OverloadedError, match="too much waits") as caught:
                engine.submit(TEXT, "mood")
            assert caught.value.retry_after_s > 0
            with pytest.raises(OverloadedError):
                engine.check_room()
            with pytest.raises(OverloadedError):
                engine.submit(TEXT, "topic", priority="bulk")
        finish(engine)
        engine.check_room()

    def test_an_idle_engine_takes_what_is_larger_than_all_bounds(self, make_slow):
        engine = make_slow(max_wait_s=0.001, max_waiting_bytes=1)
        request = ask(engine, {"mood": [TEXT] * 100})
        request.done.result(20)
        assert all(isinstance(each, Prediction) for each in request.outcomes["mood"])


class TestBreaking:
    @pytest.fixture
    def engine(self, make_engine, clock):
        engine = make_engine(clock=clock, failures_to_break=3, break_s=10.0)
        engine.model.heads["odd"].computes = lambda made, lengths: made * float("nan")
        return engine

    def fail(self, engine, times=1, kind=NonFiniteError):
        for _ in range(times):
            with pytest.raises(kind):
                engine.submit("red", "odd").result(20)

    def test_a_task_that_keeps_failing_is_not_asked_for_a_while(self, engine, batches):
        self.fail(engine, 3)
        seen = batches(engine)
        with pytest.raises(BrokenTaskError, match="'odd' kept failing") as caught:
            engine.submit("red", "odd").result(20)
        assert caught.value.retry_after_s == 10.0
        assert isinstance(engine.submit("red", "mood").result(20), Prediction)
        assert seen == [[("mood", "red")]]

    def test_then_one_is_let_through_and_decides(self, engine, clock):
        self.fail(engine, 3)
        clock.now += 10.0
        self.fail(engine)
        with pytest.raises(BrokenTaskError) as caught:
            engine.submit("red", "odd").result(20)
        assert caught.value.retry_after_s == 20.0
        clock.now += 20.0
        engine.model.heads["odd"].computes = None
        for _ in range(3):
            assert isinstance(engine.submit("red", "odd").result(20), Prediction)

    def test_a_request_is_answered_for_the_other_tasks(self, engine):
        self.fail(engine, 3)
        request = ask(engine, {"odd": ["red", "blue"], "mood": ["red", "blue"]})
        request.done.result(20)
        assert all(isinstance(each, BrokenTaskError) for each in request.outcomes["odd"])
        assert all(isinstance(each, Prediction) for each in request.outcomes["mood"])

    def test_a_task_is_given_up_by_its_key_so_another_version_is_asked(self, engine, two_labels):
        self.fail(engine, 3)
        other = ServedTask("odd", "bare", "2")
        assert isinstance(engine.submit("red", other).result(20), Prediction)

    def test_what_is_known_of_a_task_that_is_gone_is_forgotten(self, engine):
        self.fail(engine, 3)
        engine.forget(ServedTask("odd", "odd"))
        self.fail(engine)

    def test_unusable_examples_do_not_break_a_task(self, engine):
        for _ in range(10):
            engine.submit("", "mood").exception(20)
        assert isinstance(engine.submit("red", "mood").result(20), Prediction)
