"""What is pushed from one model answers the same, bit for bit, where it is pulled."""

import pytest
import torch

from polyhead import hub
from polyhead.composition import Stack

# of the hub's client, to itself
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")
TEXTS = ["the cat sat on the mat", "a bad day", "red"]


def answers(model, task):
    [table] = [model.predict(TEXTS, task=task)]
    return [answer.model_dump() for answer in table]


@pytest.mark.parametrize("name", ["mood", "topic"])
def test_a_task_answers_the_same_after_push_and_pull(
    fake_hub, model, make_model, tmp_path, *, files_of, name
):
    model.save_task(name, tmp_path / "out")
    pushed = hub.push(tmp_path / "out", f"me/{name}")
    assert pushed.url == f"{fake_hub.endpoint}/me/{name}"
    assert pushed.is_new
    folder = hub.pull(f"me/{name}", tmp_path / "in", cache_dir=tmp_path / "fresh")
    weights = {file: content for file, content in files_of(folder).items() if file != "README.md"}
    assert weights == {f: c for f, c in files_of(tmp_path / "out").items() if f != "README.md"}
    other = make_model()
    assert other.load_task(folder) == name
    assert answers(other, name) == answers(model, name)


def test_an_adapter_and_a_head_are_the_same_after_push_and_pull(
    fake_hub, model, make_model, tmp_path
):
    hub.push(model.save_adapter("legal", tmp_path / "a"), "me/legal")
    hub.push(model.save_head("tone", tmp_path / "h").parent, "me/tone")
    other = make_model()
    other.load_adapter(hub.pull("me/legal", tmp_path / "legal"))
    other.load_head(hub.pull("me/tone"), adapter=None)
    for mine, theirs in (
        (model.adapters["legal"], other.adapters["legal"]),
        (model.heads["tone"], other.heads["tone"]),
    ):
        for weight, same in zip(mine.parameters(), theirs.parameters(), strict=True):
            assert torch.equal(weight, same)


def test_several_tasks_come_and_go_as_one(fake_hub, both, tmp_path, make_model):
    pushed = hub.push(both, "me/all")
    assert fake_hub.repos["models", "me/all"].messages[-1].startswith("Push task 'mood', task 'to")
    assert "README.md" in pushed.files
    folder = hub.pull("me/all", tmp_path / "in")
    assert sorted(path.name for path in folder.iterdir()) == ["mood", "topic"]
    model = make_model()
    assert model.load_task(hub.pull("me/all/mood", tmp_path / "one")) == "mood"
    assert model.load_task(hub.pull("me/all", subfolder="topic")) == "topic"


def test_a_task_of_several_adapters_comes_and_goes_with_all_of_them(
    fake_hub, model, make_model, tmp_path, two_labels
):
    model.add_task("deep", head=two_labels, share_adapter=Stack("legal", "mood"))
    model.eval()
    pushed = model.push_task("deep", "me/deep")
    assert {"adapters/legal.safetensors", "adapters/mood.safetensors"} <= set(pushed.files)
    other = make_model()
    assert other.load_task(hub.pull("me/deep", tmp_path / "in")) == "deep"
    assert answers(other, "deep") == answers(model, "deep")
    fewer = hub.push(mood_of(model, tmp_path), "me/deep")
    assert "adapters/legal.safetensors" in fewer.files
    assert not any("adapters/" in name for name in fake_hub.files("me/deep"))


def mood_of(model, folder):
    model.save_task("mood", folder / "mood")
    return folder / "mood"
