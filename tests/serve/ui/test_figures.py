from polyhead.serve.observing import BatchReport, TaskReport
from polyhead.serve.served_task import ServedTask
from polyhead.serve.ui import figures as module
from polyhead.serve.ui.figures import Figures, TaskFigures


def report(name, *, n_examples=1, n_tokens=10, queue_s=0.0, errors=None, first_error=None):
    return TaskReport(
        ServedTask(name, name), "classification", None, n_examples, n_tokens, 0, queue_s,
        errors or {}, first_error,
    )  # fmt: skip


def batch(*tasks, seconds=0.0):
    n_tokens = sum(task.n_tokens for task in tasks)
    return BatchReport(len(tasks), n_tokens, seconds, tasks)


def test_a_task_that_was_never_asked_has_none():
    assert Figures().of("mood") == TaskFigures()
    assert Figures().of("mood").mean_queue_ms is None
    assert Figures().of("mood").mean_compute_ms is None


def test_batches_add_up():
    figures = Figures()
    figures.batch(batch(report("mood", n_examples=2, n_tokens=10, queue_s=0.004), seconds=0.01))
    figures.batch(batch(report("mood", n_examples=2, n_tokens=30, queue_s=0.004), seconds=0.03))
    found = figures.of("mood")
    assert (found.n_batches, found.n_examples, found.n_tokens) == (2, 4, 40)
    assert found.mean_queue_ms == 2.0
    assert found.mean_compute_ms == 10.0


def test_a_batch_is_shared_out_by_tokens():
    figures = Figures()
    figures.batch(batch(report("a", n_tokens=30), report("b", n_tokens=10), seconds=0.4))
    assert round(figures.of("a").compute_s, 9) == 0.3
    assert round(figures.of("b").compute_s, 9) == 0.1


def test_errors_are_counted_and_the_last_one_kept():
    figures = Figures()
    figures.batch(batch(report("mood", errors={"expired": 2, "failed": 1}, first_error="late")))
    figures.batch(batch(report("mood")))
    assert figures.of("mood").n_errors == 3
    assert figures.of("mood").last_error == "late"


def test_what_was_dropped_without_being_computed_takes_no_time():
    figures = Figures()
    figures.batch(BatchReport(0, 0, 0.0, (report("mood", n_tokens=0, errors={"expired": 1}),)))
    assert figures.of("mood").compute_s == 0.0
    assert figures.of("mood").n_errors == 1


def test_only_the_tasks_last_asked_are_kept(monkeypatch):
    monkeypatch.setattr(module, "_MOST_TASKS", 2)
    figures = Figures()
    for name in ("a", "b", "a", "c"):
        figures.batch(batch(report(name)))
    assert [figures.of(name).n_batches for name in "abc"] == [2, 0, 1]
