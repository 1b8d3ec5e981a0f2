"""Plugins are told of each batch."""

from polyhead.serve import BatchReport, ServedTask, TaskReport
from polyhead.serve.http import create_app
from polyhead.serve.http.plugin_events import PluginEvents

PLUGIN = """
    import polyhead
    seen = []

    @polyhead.hookimpl
    def polyhead_serve_event(event):
        seen.append(event)
"""


def report(n_examples, errors=(), first_error=None):
    task = TaskReport(
        ServedTask("mood", "mood@1"),
        "classification",
        "seq_bn",
        n_examples,
        30,
        1,
        0.6,
        dict(errors),
        first_error,
    )
    return BatchReport(n_examples, 30, 0.25, (task,))


def test_what_was_answered_is_told(install_plugin):
    install_plugin("told", PLUGIN)
    events = PluginEvents()
    import told_plugin  # noqa: PLC0415 - it was installed just now

    events.batch(report(3))
    [event] = told_plugin.seen
    assert event.model_dump(exclude_none=True) == {
        "event": "answer",
        "task": "mood",
        "head": "classification",
        "adapter": "seq_bn",
        "source": "serve",
        "n_examples": 3,
        "n_tokens": 30,
        "n_cut": 1,
        "n_tasks": 1,
        "seconds": 0.25,
        "queue_s": 0.6 / 3,
    }


def test_what_failed_is_told_apart(install_plugin):
    install_plugin("told", PLUGIN)
    events = PluginEvents()
    import told_plugin  # noqa: PLC0415 - it was installed just now

    events.batch(report(3, {"head_failed": 2}, "it has\n the wrong shape."))
    answered, failed = told_plugin.seen
    assert (answered.event, answered.n_examples) == ("answer", 1)
    assert (failed.event, failed.n_examples, failed.error) == ("error", 2, "head_failed")
    assert failed.reason == "it has the wrong shape."


def test_an_engine_with_two_applications_tells_them_once(server):
    create_app(server.engine, server.store)
    found = [each for each in server.engine.observers if isinstance(each, PluginEvents)]
    assert len(found) == 1
