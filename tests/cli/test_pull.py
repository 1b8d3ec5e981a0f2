"""`polyhead pull`: to a folder, whole or not at all; another library's files are converted."""

import json

import pytest
import torch
from safetensors.torch import save

# of the hub's client, to itself
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")


@pytest.fixture
def on_hub(fake_hub, run, saved_tasks):
    """The saved tasks in the repository "me/all", and one of them in "me/mood"."""
    for place, repo in ((saved_tasks, "me/all"), (saved_tasks / "mood", "me/mood")):
        assert run("push", place, repo).exit_code == 0
    return fake_hub


def test_it_comes_to_a_folder_of_the_name_here(on_hub, run, saved_tasks, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = run("pull", "me/mood")
    assert result.exit_code == 0, result.output
    assert result.stdout == "mood\n"
    assert run("pull", "me/all/place").stdout == "place\n"
    texts = ["the cat is good", "the dog is bad"]
    known = run("predict", "--task", saved_tasks / "mood", *texts, "--json").stdout
    assert run("predict", "--task", "mood", *texts, "--json").stdout == known


def test_several_tasks_come_as_a_folder_of_tasks(on_hub, run, tmp_path):
    result = run("pull", "me/all", tmp_path / "in", "--json")
    told = json.loads(result.stdout)
    assert told["kind"] == "tasks"
    assert "place/head.safetensors" in told["files"]
    listed = json.loads(run("tasks", tmp_path / "in", "--json").stdout)
    assert [entry["task"] for entry in listed] == ["mood", "place"]


def test_offline_and_cache_dir_are_for_the_hub(on_hub, run, refused, tmp_path):
    words = ["--cache-dir", tmp_path / "cache", "--offline"]
    assert "offline" in refused("pull", "me/mood", tmp_path / "a", *words)
    assert run("pull", "me/mood", tmp_path / "b", *words[:2]).exit_code == 0
    assert run("pull", "me/mood", tmp_path / "c", *words).exit_code == 0


def test_what_cannot_be_pulled_is_one_sentence(on_hub, refused, tmp_path):
    assert "the hub has no such repository" in refused("pull", "me/other", tmp_path / "in")
    assert "no revision 'v9'" in refused("pull", "me/mood", tmp_path / "in", "--revision", "v9")
    assert not (tmp_path / "in").exists()
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "a.txt").touch()
    assert "exists" in refused("pull", "me/mood", tmp_path / "taken")


def peft_files(rank=2, width=32, layers=2):
    """A LoRA adapter as PEFT saves it."""
    generator = torch.Generator().manual_seed(0)
    tensors = {}
    for layer in range(layers):
        for name in ("q_lin", "v_lin"):
            key = f"base_model.model.distilbert.transformer.layer.{layer}.attention.{name}"
            tensors[f"{key}.lora_A.weight"] = torch.randn(rank, width, generator=generator)
            tensors[f"{key}.lora_B.weight"] = torch.randn(width, rank, generator=generator)
    config = {
        "peft_type": "LORA",
        "task_type": "FEATURE_EXTRACTION",
        "base_model_name_or_path": "someone/tiny",
        "r": rank,
        "lora_alpha": 4,
        "lora_dropout": 0.0,
        "target_modules": ["q_lin", "v_lin"],
        "bias": "none",
        "inference_mode": True,
    }
    return {
        "adapter_config.json": json.dumps(config).encode(),
        "adapter_model.safetensors": save(tensors),
    }


def test_another_librarys_adapter_is_converted_with_a_backbone(
    fake_hub, run, refused, backbone, tmp_path
):
    fake_hub.add_repo("me/lora", peft_files())
    told = refused("pull", "me/lora", tmp_path / "in")
    assert told.endswith("convert it with: polyhead pull me/lora --backbone BACKBONE")
    words = ["--backbone", backbone, "--name", "lora", "--json"]
    result = run("pull", "me/lora", tmp_path / "in", *words)
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert told["kind"] == "peft"
    [file] = [tmp_path / "in" / name for name in told["files"] if name.endswith(".safetensors")]
    shown = json.loads(run("inspect", file, "--json").stdout)
    assert (shown["adapter"]["kind"], shown["adapter"]["name"]) == ("lora", "lora")


def test_a_backbone_for_what_is_ours_changes_nothing(on_hub, run, backbone, tmp_path):
    result = run("pull", "me/mood", tmp_path / "in", "--backbone", backbone)
    assert result.exit_code == 0, result.output
    assert "there is nothing to convert" in result.stderr
    assert (tmp_path / "in" / "task.json").is_file()
