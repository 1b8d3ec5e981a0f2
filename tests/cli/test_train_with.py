"""`polyhead train` on saved adapters: put together, taught further, held."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file

from polyhead.artifact import read_task
from polyhead.model import DistilBertModelWithHeads


@pytest.fixture(scope="module")
def saved(run, backbone, data, tmp_path_factory):
    """Tasks "a" and "b" with adapters, "low" with one that cannot be fused, and "bare" without."""
    folder = tmp_path_factory.mktemp("with")
    kinds = {"a": "seq_bn", "b": "par_bn", "low": "lora[r=2]", "bare": "none"}
    for task, adapter in kinds.items():
        words = ["--task", task, "--adapter", adapter, "--output", folder / task]
        words += ["--backbone", backbone, "--data", data / "train.jsonl"]
        result = run("train", *words, "--epochs", 1, "--batch-size", 8, "--max-length", 24)
        assert result.exit_code == 0, result.output
    return folder


def tensors(path):
    return load_file(path)


def are_equal(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def adapters_in(folder):
    """The weights of each adapter of a task on several."""
    return {path.stem: tensors(path) for path in (folder / "adapters").iterdir()}


def train(run, words, saved, *more, using=("a", "b")):
    result = run(*words, *(word for name in using for word in ("--with", saved / name)), *more)
    assert result.exit_code == 0, result.output
    return result


def test_a_fusion_of_saved_tasks_learns_alone(run, train_words, saved, tmp_path, data):
    told = train(run, train_words, saved, "--adapter", "Fuse('a', 'b')", "--json")
    folder = tmp_path / "tasks" / "mood"
    manifest = read_task(folder).manifest
    assert manifest.setup == "Fuse('a', 'b', name='mood')"
    found = adapters_in(folder)
    assert found.keys() == {"a", "b", "mood"}
    for name in ("a", "b"):
        assert are_equal(found[name], tensors(saved / name / "adapter.safetensors"))
    files = json.loads(told.stdout)["files"]
    assert {"adapters/a.safetensors", "adapters/mood.safetensors"} <= files.keys()
    result = run("predict", "--task", folder, "the cat is good")
    assert result.exit_code == 0, result.output
    result = run("evaluate", "--task", folder, "--data", data / "dev.jsonl", "--json")
    assert json.loads(result.stdout)["metrics"] == manifest.metrics
    assert run("inspect", folder).exit_code == 0


def test_a_stack_teaches_its_last_which_is_new(run, train_words, saved, tmp_path):
    words = ["--adapter", "Stack('a', 'mood')"]
    train(run, train_words, saved, *words, using=["a"])
    folder = tmp_path / "tasks" / "mood"
    found = adapters_in(folder)
    assert read_task(folder).manifest.setup == "Stack('a', 'mood')"
    assert found.keys() == {"a", "mood"}
    assert are_equal(found["a"], tensors(saved / "a" / "adapter.safetensors"))


@pytest.mark.parametrize(
    ("adapter", "hold", "learning"),
    [
        ("Average({'a': 0.5, 'b': 0.5})", (), {"a", "b"}),
        ("Average({'a': 0.5, 'b': 0.5})", ("--hold", "a"), {"b"}),
        ("Average('a', 'b')", ("--hold", "a", "--hold", "b"), set()),
        ("Split('a', 'b', splits=(2, None))", ("--hold", "b"), {"a"}),
        (" Stack( 'b','a' ) ", (), {"a"}),
    ],
)
def test_those_learn_that_are_not_held(
    run, train_words, saved, tmp_path, *, adapter, hold, learning
):
    train(run, train_words, saved, "--adapter", adapter, *hold)
    found = adapters_in(tmp_path / "tasks" / "mood")
    before = {name: tensors(saved / name / "adapter.safetensors") for name in ("a", "b")}
    assert {name for name in before if not are_equal(found[name], before[name])} == learning


@pytest.mark.parametrize("hold", [(), ("--hold", "a")], ids=["taught", "held"])
def test_a_saved_adapter_alone_is_taught_further_or_held(run, train_words, saved, tmp_path, hold):
    train(run, train_words, saved, "--adapter", "a", *hold, using=["a"])
    folder = tmp_path / "tasks" / "mood"
    assert read_task(folder).manifest.setup is None
    before = tensors(saved / "a" / "adapter.safetensors")
    assert are_equal(tensors(folder / "adapter.safetensors"), before) is bool(hold)


def test_an_adapters_file_and_its_folder_are_saved_adapters_too(
    run, train_words, saved, tmp_path, backbone
):
    model = DistilBertModelWithHeads.from_pretrained(backbone)
    for name in ("a", "b"):
        model.load_task(saved / name)
    file = model.save_adapter("a", tmp_path / "lone")
    words = ["--with", file, "--with", model.save_adapter("b", tmp_path / "b").parent]
    result = run(*train_words, *words, "--adapter", "Stack('a', 'b')")
    assert result.exit_code == 0, result.output


def test_a_task_on_several_is_loaded_with_all_of_them(run, train_words, saved, tmp_path):
    """And its fusion, which the next task teaches further."""
    train(run, train_words, saved, "--adapter", "Fuse('a', 'b')")
    first = tmp_path / "tasks" / "mood"
    words = [*train_words, "--task", "next", "--output", tmp_path / "next", "--with", first]
    result = run(*words, "--adapter", "Fuse('a', 'b')")
    assert result.exit_code == 0, result.output
    assert read_task(tmp_path / "next").manifest.setup == "Fuse('a', 'b', name='mood')"
    assert not are_equal(adapters_in(tmp_path / "next")["mood"], adapters_in(first)["mood"])


def test_a_fusion_may_have_a_name_of_its_own(run, train_words, saved, tmp_path):
    train(run, train_words, saved, "--adapter", "Fuse('a', 'b', name='own')")
    assert adapters_in(tmp_path / "tasks" / "mood").keys() == {"a", "b", "own"}


def test_same_seed_makes_the_same_fusion(run, train_words, saved, tmp_path):
    made = []
    for name in ("one", "two"):
        words = ["--output", tmp_path / name, "--adapter", "Fuse('a', 'b')"]
        train(run, train_words, saved, *words)
        made.append(adapters_in(tmp_path / name)["mood"])
    assert are_equal(*made)


WRONG = {
    "no --with": (["--adapter", "Fuse('a', 'b')"], (), "name their folders with --with"),
    "no --adapter": ([], ("a",), "--with is for what --adapter names; give --adapter too"),
    "a kind beside": (["--adapter", "seq_bn"], ("a", "b"), "--adapter names 'seq_bn', and --with"),
    "none beside": (["--adapter", "none"], ("a",), "--with loads 'a': leave --with out"),
    "a task without adapter": (["--adapter", "bare"], ("bare",), "--with loads none"),
    "an unknown adapter": (
        ["--adapter", "Stack('a', 'c')"],
        ("a",),
        "names 'c', and --with loads 'a': give the folder of 'c' with --with, or write 'mood'",
    ),
    "a block that is none": (["--adapter", "Stack('a'"], ("a",), "is not an adapter setup; write"),
    "a block of another name": (["--adapter", "Parallel('a', 'b')"], ("a", "b"), "Parallel"),
    "a block without adapters": (["--adapter", "Stack()"], ("a",), "needs at least one adapter"),
    "too few weights": (
        ["--adapter", "Average('a', 'b', weights=(1,))"],
        ("a", "b"),
        "Average has 1 weights for 2 adapters",
    ),
    "what cannot be fused": (["--adapter", "Fuse('a', 'low')"], ("a", "low"), "cannot be fused"),
    "a fusion of one": (["--adapter", "Fuse('a')"], ("a",), "name at least two adapters"),
    "a fusion of what has learned nothing": (
        ["--adapter", "Fuse('a', 'mood')"],
        ("a",),
        "fuses the new adapter 'mood', which has learned nothing",
    ),
    "the task's name is taken": (
        ["--adapter", "Stack('a', 'b')", "--task", "a"],
        ("a", "b"),
        "already has the task 'a'",
    ),
    "the same twice": (["--adapter", "a"], ("a", "a"), "already has the task 'a'"),
    "a folder that is not there": (["--adapter", "a"], ("nil",), "nil"),
    "a folder that holds no adapter": (["--adapter", "a"], ("",), ""),
    "a path that is too long": (["--adapter", "a"], ("x" * 5000,), ""),
    "holding what is not used": (
        ["--adapter", "a", "--hold", "b"],
        ("a", "b"),
        "does not use the adapter 'b', so it cannot be held; it uses: 'a'",
    ),
    "holding without --with": (["--hold", "a"], (), "does not use the adapter 'a'"),
    "holding all of nothing": (["--adapter", "none", "--hold", "a"], (), "it uses: none"),
    "a name that is a path": (["--adapter", "Stack('../a', 'b')"], ("a", "b"), "cannot name"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_input_is_one_sentence_and_leaves_nothing(
    refused, train_words, saved, tmp_path, name
):
    words, using, reason = WRONG[name]
    given = [word for one in using for word in ("--with", saved / one)]
    message = refused(*train_words, *given, *words)
    assert reason in message
    assert len(message) < 6000
    assert [path.name for path in tmp_path.rglob("*") if path.name != "tasks"] == []


def test_a_task_of_another_backbone_is_refused(
    refused, train_words, saved, other_backbone, tmp_path
):
    words = ["--with", saved / "a", "--adapter", "a", "--backbone", other_backbone]
    assert "backbone" in refused(*train_words, *words)
    assert not (tmp_path / "tasks").exists()


def test_a_damaged_adapter_is_refused(refused, train_words, saved, tmp_path):
    place = shutil.copytree(saved / "a", tmp_path / "copy" / "a")
    content = (place / "adapter.safetensors").read_bytes()
    (place / "adapter.safetensors").write_bytes(content[:-8] + b"\x00" * 8)
    assert "its digest differs" in refused(*train_words, "--with", place, "--adapter", "a")
