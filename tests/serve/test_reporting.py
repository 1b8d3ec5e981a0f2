"""Observers are told what became of every example, and do no harm."""

import logging
import threading
from collections import Counter

import pytest

import polyhead as ph
from polyhead.errors import ExpiredError, OverloadedError, PolyheadError, UnavailableError
from polyhead.serve import ServedTask


class Recorder:
    """Keeps what it is told."""

    def __init__(self):
        self.reports = []

    def batch(self, report):
        self.reports.append(report)

    def sums(self):
        """Of each task its examples, tokens, answered ones and errors by code."""
        found = {}
        for report in self.reports:
            for task in report.tasks:
                sums = found.setdefault(task.task.name, Counter())
                sums["examples"] += task.n_examples
                sums["tokens"] += task.n_tokens
                sums["cut"] += task.n_cut
                sums["answered"] += task.n_examples - sum(task.errors.values())
                sums.update(task.errors)
        return {name: dict(+sums) for name, sums in found.items()}


@pytest.fixture
def recorder():
    return Recorder()


def finish(engine, requests):
    for request in requests:
        request.done.result(20)
    assert engine.wait_until_empty(20)


def ask(engine, values, **options):
    return engine.enqueue(engine.read(values), **options)


def test_reports_add_up_to_what_was_asked(make_engine, recorder):
    engine = make_engine(observers=[recorder], max_batch_tokens=64)
    texts = ["red", "the cat sat", "a bad day"] * 10
    requests = [ask(engine, {"mood": texts, "topic": texts[:5]}) for _ in range(3)]
    finish(engine, requests)
    sums = recorder.sums()
    assert sums["mood"] == {"examples": 90, "tokens": 3 * 10 * (3 + 5 + 5), "answered": 90}
    assert sums["topic"] == {"examples": 15, "tokens": 3 * (3 + 5 + 5 + 3 + 5), "answered": 15}
    assert sum(report.n_tokens for report in recorder.reports) == sum(
        each["tokens"] for each in sums.values()
    )
    assert sum(report.n_rows for report in recorder.reports) == 105
    assert len(recorder.reports) > 1
    assert all(report.seconds > 0 for report in recorder.reports)


def test_a_report_says_what_answered(make_engine, recorder, two_labels):
    engine = make_engine(observers=[recorder])
    engine.model.add_task("both", head=two_labels, share_adapter="mood")
    task = ServedTask("public", "mood", "7")
    finish(engine, [ask(engine, {task: ["red"], "bare": ["red"]})])
    [report] = recorder.reports
    public, bare = sorted(report.tasks, key=lambda found: found.task.name, reverse=True)
    assert (public.task, public.head_kind, public.adapter_kind) == (
        task,
        "classification",
        "bottleneck",
    )
    assert (bare.task.version, bare.adapter_kind) == (None, None)
    assert public.first_error is None


def test_rows_of_one_example_are_all_counted(make_engine, recorder, model):
    model.add_task("choice", head=ph.MultipleChoiceHeadConfig(), adapter=None)
    engine = make_engine(observers=[recorder])
    finish(engine, [ask(engine, {"choice": [("who", ("cat", "dog", "mat"))]})])
    [report] = recorder.reports
    assert report.n_rows == 3
    assert report.tasks[0].n_examples == 1


def test_texts_that_were_cut_are_counted(make_engine, recorder):
    engine = make_engine(observers=[recorder])
    finish(engine, [ask(engine, {"mood": ["red " * 1000, "red"]})])
    assert recorder.sums()["mood"]["cut"] == 1


def test_errors_are_told_by_code_with_the_first_ones_words(make_engine, recorder):
    engine = make_engine(observers=[recorder], failures_to_break=3)

    def fail(made, lengths):
        raise ValueError("two\nlines")

    engine.model.heads["odd"].computes = fail
    finish(engine, [ask(engine, {"odd": ["red"] * 8, "mood": ["red"]})])
    sums = recorder.sums()
    assert sums["odd"] == {"examples": 8, "tokens": 24, "head_failed": 3, "task_broken": 5}
    assert sums["mood"]["answered"] == 1
    [words] = {task.first_error for task in recorder.reports[0].tasks if task.task.name == "odd"}
    assert words.startswith(("forward of the head kind 'odd'", "the task 'odd' kept failing"))


def test_how_long_examples_waited_is_told_by_the_engines_clock(make_engine, recorder, held, clock):
    engine = make_engine(observers=[recorder], clock=clock)
    with held(engine):
        request = ask(engine, {"mood": ["red", "blue"]})
        clock.now += 3.0
    finish(engine, [request])
    [waited] = [
        task.queue_s for each in recorder.reports for task in each.tasks if task.task.name == "mood"
    ]
    assert waited == pytest.approx(6.0)


def test_what_was_dropped_is_told_once_with_why(make_engine, recorder, held, clock):
    engine = make_engine(observers=[recorder], clock=clock)
    with held(engine):
        late = engine.submit("red", "mood", timeout_s=5.0)
        cancelled = engine.submit("red", "topic")
        given_up = ask(engine, {"bare": ["red", "blue"]})
        clock.now += 2.0
        assert cancelled.cancel()
        given_up.give_up()
        clock.now += 3.0
    with pytest.raises(ExpiredError):
        late.result(20)
    finish(engine, [])
    sums = recorder.sums()
    assert sums["mood"] == {"examples": 1, "expired": 1}
    assert sums["topic"] == {"examples": 1, "cancelled": 1}
    assert sums["bare"] == {"examples": 2, "cancelled": 2}
    dropped = [report for report in recorder.reports if not report.n_rows]
    assert all(report.n_tokens == report.seconds == 0 for report in dropped)
    waited = {task.task.name: task.queue_s for each in dropped for task in each.tasks}
    assert waited == {"mood": 5.0, "topic": 2.0, "bare": 4.0}


def test_what_a_stopped_engine_did_not_compute_is_told(make_engine, recorder, held):
    engine = make_engine(observers=[recorder])
    with held(engine):
        future = engine.submit("red", "mood")
        closing = threading.Thread(target=engine.close, kwargs={"drain_s": 0.0})
        closing.start()
        with pytest.raises(UnavailableError):
            future.result(20)
    closing.join(20)
    assert recorder.sums()["mood"] == {"examples": 1, "unavailable": 1}
    assert recorder.sums()["odd"]["answered"] == 1


def test_all_is_told_in_the_engines_thread(make_engine, held):
    names = set()

    class Observer:
        def batch(self, report):
            names.add(threading.current_thread().name)

    engine = make_engine(observers=[Observer()])
    with held(engine):
        engine.submit("red", "mood").cancel()
    finish(engine, [ask(engine, {"mood": ["red"]})])
    assert names == {"polyhead-engine"}


@pytest.mark.parametrize("error", [ValueError("observer"), SystemExit(1)])
def test_an_observer_that_fails_is_not_called_again_and_disturbs_nobody(
    make_engine, recorder, error, caplog
):
    calls = []

    class Failing:
        def batch(self, report):
            calls.append(report)
            raise error

    with caplog.at_level(logging.ERROR, logger="polyhead.engine"):
        engine = make_engine(observers=[Failing(), recorder])
        for _ in range(3):
            finish(engine, [ask(engine, {"mood": ["red"]})])
    assert len(calls) == 1
    assert recorder.sums()["mood"]["answered"] == 3
    assert engine.health().n_restarts == 0
    assert sum("observer failed" in record.message for record in caplog.records) == 1


def test_observers_may_be_added_before_the_engine_is_started(make_engine, recorder):
    engine = make_engine(start=False)
    engine.observers.append(recorder)
    engine.start()
    finish(engine, [ask(engine, {"mood": ["red"]})])
    assert recorder.sums()["mood"]["answered"] == 1


def test_what_was_refused_is_no_ones_report(make_engine, recorder, held):
    engine = make_engine(observers=[recorder], max_waiting_bytes=1)
    with held(engine):
        ask(engine, {"mood": ["red"]})
        with pytest.raises(OverloadedError):
            ask(engine, {"topic": ["red"]})
    finish(engine, [])
    assert "topic" not in recorder.sums()


def test_unusable_examples_and_cached_answers_are_no_batch(make_engine, recorder):
    engine = make_engine(observers=[recorder])
    request = ask(engine, {"mood": ["", 3]})
    assert all(isinstance(each, PolyheadError) for each in request.outcomes["mood"])
    finish(engine, [])
    assert recorder.reports == []
