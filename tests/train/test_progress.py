from io import StringIO

import pytest
from rich.console import Console

from polyhead.contracts import TrainEvent
from polyhead.train import ProgressBar


def events(n_done=2, reason="finished 2 epochs"):
    yield TrainEvent(event="start", task="mood", n_steps=4, settings={"epochs": 2})
    for epoch in range(1, n_done + 1):
        for step in (1, 2):
            yield TrainEvent(
                event="step", task="mood", epoch=epoch, step=2 * (epoch - 1) + step, n_steps=4,
                lr=1e-3, train_loss=0.5,
            )  # fmt: skip
        yield TrainEvent(
            event="epoch", task="mood", epoch=epoch, step=2 * epoch, n_steps=4, train_loss=0.5,
            train_s=1.5, eval_s=0.25, metrics={"accuracy": 0.875}, is_best=epoch == 1,
        )  # fmt: skip
    yield TrainEvent(
        event="end", task="mood", epoch=n_done, step=2 * n_done, n_steps=4, reason=reason
    )


@pytest.fixture
def shown():
    """What is written while the events are told, to a terminal or not."""

    def showing(told, *, terminal):
        file = StringIO()
        bar = ProgressBar(Console(file=file, force_terminal=terminal, width=120, color_system=None))
        for event in told:
            bar(event)
        assert bar._progress is None
        return file.getvalue()

    return showing


def test_without_a_terminal_there_is_one_line_an_epoch(shown):
    assert shown(events(), terminal=False).splitlines() == [
        "mood  epoch 1/2  loss 0.5000  accuracy 0.8750  1.8 s  best so far",
        "mood  epoch 2/2  loss 0.5000  accuracy 0.8750  1.8 s",
    ]


def test_a_run_that_ends_early_says_why(shown):
    lines = shown(events(1, "interrupted in epoch 2"), terminal=False).splitlines()
    assert lines[-1] == "mood: interrupted in epoch 2"
    assert len(lines) == 2


def test_on_a_terminal_there_is_a_bar_too(shown):
    text = shown(events(), terminal=True)
    assert "mood  epoch 1/2 " in text
    assert "2/2" in text
    assert "loss 0.5000  lr 1.00e-03" in text
    assert "mood  epoch 2/2  loss 0.5000  accuracy 0.8750  1.8 s" in text


def test_a_bar_can_be_used_for_run_after_run(shown):
    told = [*events(), *events()]
    assert len(shown(told, terminal=False).splitlines()) == 4
    shown(told, terminal=True)


def test_lines_are_never_broken_or_read_as_markup(shown):
    reason = "no better [accuracy] " * 20
    assert shown(events(1, reason), terminal=False).splitlines()[-1] == f"mood: {reason}"
