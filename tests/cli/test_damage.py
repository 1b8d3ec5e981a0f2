"""Saved tasks that are damaged or of another time: each is refused in one sentence."""

import json

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file


def rewritten(path, change):
    """Changes the tensors of a file and keeps its manifest."""
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path, metadata)


def with_manifest(path, **fields):
    """Changes the manifest of a file and keeps its tensors."""
    with safe_open(path, framework="pt") as file:
        manifest = json.loads(file.metadata()["polyhead"])
    save_file(load_file(path), path, {"polyhead": json.dumps({**manifest, **fields})})


def with_task(folder, **fields):
    path = folder / "task.json"
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), **fields}), "utf-8")


def truncate(folder):
    path = folder / "adapter.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


def flip(folder):
    path = folder / "head.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"\x01")


def add_tensor(folder):
    rewritten(folder / "head.safetensors", lambda tensors: tensors.update(extra=torch.zeros(1)))


def drop_tensor(folder):
    rewritten(folder / "head.safetensors", lambda tensors: tensors.pop("out.weight"))


def put_nan(folder):
    rewritten(folder / "head.safetensors", lambda tensors: tensors["out.bias"].fill_(torch.nan))


DAMAGES = {
    "truncated": (truncate, "is damaged or is not a safetensors file"),
    "changed": (flip, "is not the file this task was saved with"),
    "extra tensor": (add_tensor, "head.safetensors"),
    "missing tensor": (drop_tensor, "head.safetensors"),
    "nan": (put_nan, "head.safetensors"),
    "no head": (lambda folder: (folder / "head.safetensors").unlink(), "is not a file"),
    "no task": (lambda folder: (folder / "task.json").unlink(), "it has no task.json"),
    "not json": (lambda folder: (folder / "task.json").write_text("{"), "is not JSON"),
    "newer task": (lambda folder: with_task(folder, format=99), "is in format 99"),
    "newer head": (
        lambda folder: with_manifest(folder / "head.safetensors", format=99),
        "is in format 99",
    ),
    "unknown field": (lambda folder: with_task(folder, colour="red"), "unknown field 'colour'"),
    "no kind": (
        lambda folder: with_manifest(folder / "head.safetensors", kind="span"),
        "head.safetensors",
    ),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_task_is_refused_in_one_sentence(name, refused, task):
    damage, reason = DAMAGES[name]
    damage(task)
    message = refused("predict", "--task", task, "good")
    assert reason in message
    assert str(task) in message


@pytest.mark.parametrize("name", ["truncated", "no head", "not json", "newer task"])
def test_tasks_lists_a_damaged_one_with_its_reason(name, run, task):
    damage, reason = DAMAGES[name]
    damage(task)
    result = run("tasks", task.parent)
    assert result.exit_code == 0
    assert reason in result.stderr
    [entry] = json.loads(run("tasks", task.parent, "--json").stdout)
    assert reason in entry["error"]


@pytest.mark.parametrize("name", ["truncated", "no task", "newer task", "newer head"])
def test_inspect_refuses_a_damaged_one(name, refused, task):
    damage, reason = DAMAGES[name]
    damage(task)
    assert reason in refused("inspect", task)
