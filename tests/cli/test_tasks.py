"""`polyhead tasks`."""

import json


def test_tasks_are_listed_with_what_they_are(run, saved_tasks, backbone):
    found = json.loads(run("tasks", saved_tasks, "--json").stdout)
    assert [entry["task"] for entry in found] == ["mood", "place"]
    assert [entry["adapter"] for entry in found] == ["bottleneck", None]
    assert found[0]["backbone"] == str(backbone)
    assert found[0]["n_bytes"] > 1000
    assert set(found[0]["metrics"]) == {"accuracy", "macro_f1", "mcc"}


def test_tasks_are_shown_as_a_table(run, saved_tasks):
    shown = run("tasks", saved_tasks).stdout
    assert "mood" in shown
    assert "accuracy" in shown
    assert "(in" not in shown


def test_a_folder_of_another_name_than_its_task_is_named(run, task):
    task.rename(task.with_name("moved"))
    shown = "".join(run("tasks", task.parent).stdout.split())
    assert "mood(in" in shown
    assert "moved)" in shown


def test_no_tasks_is_said_and_no_error(run, tmp_path):
    result = run("tasks", tmp_path)
    assert (result.exit_code, result.stdout) == (0, "")
    assert f"No tasks under {tmp_path}" in result.stderr
    assert json.loads(run("tasks", tmp_path, "--json").stdout) == []


def test_a_folder_that_is_not_there_is_refused(refused, tmp_path):
    assert "is not a folder" in refused("tasks", tmp_path / "missing")
