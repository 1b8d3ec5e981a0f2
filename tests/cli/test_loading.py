"""What commands do before they compute."""

import pytest

from polyhead import machine


@pytest.fixture
def limited(monkeypatch) -> list[None]:
    """One entry for each time that torch's threads were limited."""
    calls: list[None] = []
    monkeypatch.setattr(machine, "limit_threads", lambda: calls.append(None))
    return calls


def test_threads_are_limited_where_a_model_is_loaded(limited, run, saved_tasks):
    limited.clear()
    assert run("predict", "--task", saved_tasks / "mood", "the cat").exit_code == 0
    assert limited


def test_threads_are_limited_for_a_pipeline(limited, run, saved_tasks):
    limited.clear()
    done = run("run", "--model", saved_tasks / "mood", "--json", stdin="the cat\n")
    assert done.exit_code == 0
    assert limited


def test_commands_that_compute_nothing_leave_threads_alone(limited, run, saved_tasks):
    limited.clear()
    assert run("inspect", saved_tasks / "mood").exit_code == 0
    assert run("heads").exit_code == 0
    assert limited == []
