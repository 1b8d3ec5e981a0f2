"""What observers are told of the batches that `polyhead predict` answers."""

import json
import sys

import pytest

from polyhead.cli import bulk
from polyhead.contracts import ServeEvent

PLUGIN = """
    import polyhead as ph
    HEARD = []

    @ph.hookimpl
    def polyhead_serve_event(event):
        HEARD.append(event)
        {then}
"""


@pytest.fixture
def heard(install_plugin):
    install_plugin("metrics", PLUGIN.format(then="pass"))
    return lambda: sys.modules["metrics_plugin"].HEARD


def test_every_batch_is_told_once_a_task(heard, run, saved_tasks, tmp_path, monkeypatch):
    monkeypatch.setattr(bulk, "CHUNK", 2)
    texts = tmp_path / "texts.jsonl"
    lines = [json.dumps({"text": text}) for text in ("the cat", "the dog", "the " * 60)]
    texts.write_text("\n".join(lines), encoding="utf-8")
    words = ("--task", saved_tasks / "mood", "--task", saved_tasks / "place")
    assert run("predict", *words, "--input", texts).exit_code == 0
    told = heard()
    assert all(type(event) is ServeEvent for event in told)
    assert [(event.event, event.task, event.n_examples) for event in told] == [
        ("answer", "mood", 2),
        ("answer", "place", 2),
        ("answer", "mood", 1),
        ("answer", "place", 1),
    ]
    assert [(event.head, event.adapter) for event in told[:2]] == [
        ("classification", "bottleneck"),
        ("classification", None),
    ]
    assert [event.n_tokens for event in told] == [8, 8, 24, 24]
    assert [event.n_cut for event in told] == [0, 0, 1, 1]
    assert {(event.n_tasks, event.source, event.error) for event in told} == {(2, "predict", None)}
    assert told[0].seconds == told[1].seconds > 0


def test_texts_of_the_command_line_are_a_batch_too(heard, run, saved_tasks):
    run("predict", "--task", saved_tasks / "mood", "the cat", "the dog", "--json")
    [event] = heard()
    assert (event.event, event.n_examples) == ("answer", 2)


def test_a_batch_that_is_refused_is_told_with_the_reason(heard, refused, saved_tasks, tmp_path):
    texts = tmp_path / "texts.jsonl"
    texts.write_text('{"text": "the cat"}\n{"text": ""}\n', encoding="utf-8")
    message = refused("predict", "--task", saved_tasks / "mood", "--input", texts)
    [event] = heard()
    assert (event.event, event.error, event.n_examples) == ("error", "DataError", 2)
    assert event.reason == message
    assert event.n_tokens == 0


def test_an_observer_that_raises_is_reported_once_and_breaks_no_answer(
    run, saved_tasks, tmp_path, monkeypatch, install_plugin
):
    install_plugin("metrics", PLUGIN.format(then="raise ValueError('no disk')"))
    monkeypatch.setattr(bulk, "CHUNK", 1)
    texts = tmp_path / "texts.jsonl"
    texts.write_text('{"text": "the cat"}\n{"text": "the dog"}\n', encoding="utf-8")
    with pytest.warns(RuntimeWarning) as caught:
        result = run("predict", "--task", saved_tasks / "mood", "--input", texts)
    assert result.exit_code == 0
    assert len(result.stdout.splitlines()) == 2
    [warning] = caught
    assert str(warning.message) == (
        "the serving observer of the plugin metrics 1.0 (main) failed (ValueError: no disk) and is "
        "not called again."
    )
    assert len(sys.modules["metrics_plugin"].HEARD) == 1


def test_a_broken_plugin_keeps_nobody_from_answering(run, saved_tasks, install_plugin):
    install_plugin("broken", "1 / 0")
    result = run("predict", "--task", saved_tasks / "mood", "the cat", "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["predictions"]["mood"]["label"] in {"good", "bad"}
