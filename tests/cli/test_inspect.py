"""`polyhead inspect`."""

import json

import pytest


def test_a_task_tells_its_parts_and_files(run, saved_tasks):
    told = json.loads(run("inspect", saved_tasks / "mood", "--json").stdout)
    assert told["task"]["name"] == "mood"
    assert told["task"]["text"]["max_length"] == 24
    assert told["head"]["kind"] == "classification"
    assert told["adapter"]["config"]["reduction_factor"] == 4
    assert told["head"]["backbone"]["fingerprint"] == told["task"]["backbone"]["fingerprint"]
    assert told["files"]["adapter.safetensors"] > 1000


def test_a_task_is_shown_as_a_table(run, saved_tasks, backbone):
    shown = "".join(run("inspect", saved_tasks / "mood").stdout.split())
    assert "classification(frompolyhead" in shown
    assert "2layersofwidth32" in shown
    assert "train.jsonl" in shown


def test_a_task_without_adapter_says_so(run, saved_tasks):
    assert "none: the head reads the bare encoder" in run("inspect", saved_tasks / "place").stdout


@pytest.mark.parametrize("part", ["adapter", "head"])
def test_one_file_is_inspected_by_itself(part, run, saved_tasks):
    path = saved_tasks / "mood" / f"{part}.safetensors"
    told = json.loads(run("inspect", path, "--json").stdout)
    assert told[part]["artifact"] == part
    assert told["files"] == {path.name: path.stat().st_size}
    assert path.name in run("inspect", path).stdout


def test_what_is_no_artifact_is_refused(refused, tmp_path, data, backbone):
    assert "is not a file" in refused("inspect", tmp_path / "missing")
    assert "is not a safetensors file" in refused("inspect", data / "train.jsonl")
    assert "is not a task's folder" in refused("inspect", tmp_path)
    assert "was not written by polyhead" in refused("inspect", backbone / "model.safetensors")
