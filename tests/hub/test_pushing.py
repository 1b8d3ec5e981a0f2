"""Pushing: only what loads, only what is its own, only what differs, and nobody's words."""

import json
import re

import pytest
import yaml

from polyhead import hub
from polyhead.errors import ArtifactError, HubError

# of the hub's client, to itself
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")


def card_of(fake_hub, repo_id, path="README.md"):
    return fake_hub.files(repo_id)[path].decode()


def metadata_of(card):
    return yaml.safe_load(card.split("---\n")[1])


def test_only_the_files_of_the_task_are_sent(fake_hub, mood):
    (mood / "train.jsonl").write_text("{}\n")
    (mood / "notes.txt").write_text("mine")
    (mood / ".env").write_text("SECRET=1")
    pushed = hub.push(mood, "me/mood")
    own = {"task.json", "head.safetensors", "adapter.safetensors", "README.md", "train.jsonl"}
    assert set(pushed.files) == own
    assert set(fake_hub.files("me/mood")) == own | {".gitattributes"}
    assert pushed.left_out == (".env", "notes.txt")


def test_what_the_hub_has_is_not_sent_again(fake_hub, mood):
    first = hub.push(mood, "me/mood")
    fake_hub.requests.clear()
    again = hub.push(mood, "me/mood")
    assert again.files == ()
    assert again.commit == first.commit
    assert not again.is_new
    assert not fake_hub.asked("commit|preupload|lfs|create")


def test_only_what_differs_is_sent(fake_hub, mood):
    hub.push(mood, "me/mood")
    task = json.loads((mood / "task.json").read_text())
    (mood / "task.json").write_text(json.dumps({**task, "training": {"note": "again"}}))
    fake_hub.requests.clear()
    assert hub.push(mood, "me/mood").files == ("README.md", "task.json")
    assert not fake_hub.asked("lfs")


def test_what_an_older_task_had_and_the_new_one_has_not_is_taken_away(fake_hub, mood, model):
    (mood / "train.jsonl").write_text("{}\n")
    hub.push(mood, "me/mood")
    model.save_task("topic", mood, overwrite=True)
    pushed = hub.push(mood, "me/mood")
    assert "adapter.safetensors" in pushed.files
    assert set(fake_hub.files("me/mood")) == {
        *(".gitattributes", "task.json", "head.safetensors", "README.md")
    }


def test_a_folder_of_the_repository_is_pushed_to(fake_hub, mood):
    pushed = hub.push(mood, "me/all/mood")
    assert pushed.url == f"{fake_hub.endpoint}/me/all/tree/main/mood"
    assert "mood/task.json" in fake_hub.files("me/all")
    assert "- [mood](mood/README.md)" in card_of(fake_hub, "me/all")
    hub.push(mood, "me/all", subfolder="other")
    root = card_of(fake_hub, "me/all")
    assert "- [mood](mood/README.md)\n- [other](other/README.md)" in root
    assert 'load_task("hub:me/all/other")' in card_of(fake_hub, "me/all", "other/README.md")


def test_a_new_repository_is_private_when_asked(fake_hub, mood):
    hub.push(mood, "me/mood", private=True)
    assert fake_hub.repos["models", "me/mood"].private
    hub.push(mood, "me/other")
    assert not fake_hub.repos["models", "me/other"].private


def test_nothing_goes_to_a_public_repository_that_was_to_be_private(fake_hub, mood, refusal):
    fake_hub.add_repo("me/mood", {"a.txt": b"a"})
    assert "is there already and is public" in refusal(hub.push, mood, "me/mood", private=True)
    assert set(fake_hub.files("me/mood")) == {"a.txt"}


def test_a_branch_is_made_where_it_is_missing(fake_hub, mood, model):
    hub.push(mood, "me/mood")
    before = fake_hub.files("me/mood")
    model.save_task("mood", mood, overwrite=True)
    pushed = hub.push(mood, "me/mood", revision="v2", message="Second")
    assert pushed.url.endswith("/me/mood/tree/v2")
    assert fake_hub.files("me/mood") == before
    assert fake_hub.files("me/mood", "v2")["task.json"] == (mood / "task.json").read_bytes()
    assert fake_hub.repos["models", "me/mood"].messages[-1] == "Second"
    assert hub.push(mood, "me/mood", revision="v2").files == ()


def test_a_pull_request_leaves_the_branch_alone(fake_hub, mood):
    fake_hub.add_repo("somebody/mood", {"a.txt": b"a"})
    pushed = hub.push(mood, "somebody/mood", create_pr=True)
    assert pushed.url == f"{fake_hub.endpoint}/somebody/mood/discussions/1"
    assert set(fake_hub.files("somebody/mood")) == {"a.txt"}
    assert "task.json" in fake_hub.files("somebody/mood", "refs/pr/1")


def test_the_card_has_metadata_that_the_hub_reads(fake_hub, mood):
    hub.push(mood, "me/mood", license="mit", language=["en"], datasets=["glue"])
    card = card_of(fake_hub, "me/mood")
    assert metadata_of(card) == {
        "library_name": "polyhead",
        "tags": ["polyhead", "adapter", "classification", "bottleneck"],
        "base_model": "someone/tiny",
        "base_model_relation": "adapter",
        "pipeline_tag": "text-classification",
        "license": "mit",
        "language": ["en"],
        "datasets": ["glue"],
        "model-index": [
            {
                "name": "mood",
                "results": [
                    {
                        "task": {"type": "text-classification"},
                        "dataset": {
                            "name": "dev.jsonl",
                            "type": "dev.jsonl",
                            "revision": "ab" * 32,
                        },
                        "metrics": [{"type": "accuracy", "name": "accuracy", "value": 0.875}],
                    }
                ],
            }
        ],
    }
    assert "labels=['bad', 'good']" in card
    assert "| accuracy | 0.8750 |" in card
    assert "ab" * 32 in card


def test_figures_on_unnamed_data_are_no_metadata(fake_hub, model):
    model.push_task("mood", "me/mood", metrics={"accuracy": 0.5})
    card = card_of(fake_hub, "me/mood")
    assert "model-index" not in metadata_of(card)
    assert "| accuracy | 0.5000 |" in card


def test_what_its_owner_said_stays_on_the_card(fake_hub, mood, model):
    hub.push(mood, "me/mood", license="mit", language=["en"])
    model.save_task("mood", mood, overwrite=True, metrics={"accuracy": 0.25})
    hub.push(mood, "me/mood", language=["de"])
    metadata = metadata_of(card_of(fake_hub, "me/mood"))
    assert (metadata["license"], metadata["language"]) == ("mit", ["de"])


@pytest.mark.parametrize("written", ["# My words\n", "changed"])
def test_a_card_that_somebody_wrote_or_changed_there_is_kept_unless_asked(fake_hub, mood, written):
    if written == "changed":
        hub.push(mood, "me/mood")
        written = card_of(fake_hub, "me/mood").replace("## Use", "## How I use it")
    fake_hub.add_repo("me/mood", {"README.md": written.encode()})
    pushed = hub.push(mood, "me/mood")
    assert pushed.kept_cards == ("README.md",)
    assert any("--overwrite-card" in remark for remark in pushed.remarks)
    assert card_of(fake_hub, "me/mood") == written
    assert "task.json" in fake_hub.files("me/mood")
    assert hub.push(mood, "me/mood", overwrite_card=True).kept_cards == ()
    assert card_of(fake_hub, "me/mood").startswith("---\n")


def test_a_card_that_somebody_wrote_here_is_the_one_that_is_pushed(fake_hub, mood):
    hub.push(mood, "me/mood")
    (mood / "README.md").write_text("# My words\n")
    assert hub.push(mood, "me/mood").files == ("README.md",)
    assert card_of(fake_hub, "me/mood") == "# My words\n"
    assert hub.push(mood, "me/mood").files == ()


@pytest.mark.parametrize("name", ["mood", "topic"])
def test_the_lines_to_copy_of_a_card_work(fake_hub, model, monkeypatch, name):
    model.push_task(name, "me/it")
    code = card_of(fake_hub, "me/it").split("```python\n")[1].split("```")[0]
    known = model.predict(["a text of yours"], task=name)
    model.delete_task(name)
    monkeypatch.setattr(
        "polyhead.DistilBertModelWithHeads.from_pretrained", classmethod(lambda cls, name: model)
    )
    scope = {}
    exec(compile(code.replace("model.predict", "answers = model.predict"), "card", "exec"), scope)  # noqa: S102
    assert scope["answers"] == known


def test_an_adapter_or_head_alone_has_a_card_that_loads_it(fake_hub, model, monkeypatch):
    monkeypatch.setattr(
        "polyhead.DistilBertModelWithHeads.from_pretrained", classmethod(lambda cls, name: model)
    )
    for what, name in (("adapter", "legal"), ("head", "tone")):
        getattr(model, f"push_{what}")(name, f"me/{name}", metrics={"accuracy": 0.5})
        getattr(model, f"delete_{what}")(name)
        card = card_of(fake_hub, f"me/{name}")
        assert metadata_of(card)["base_model"] == "someone/tiny"
        assert "| accuracy | 0.5000 |" in card
        exec(card.split("```python\n")[1].split("```")[0], {})  # noqa: S102
        assert name in getattr(model, f"{what}s")


def test_the_documented_name_pushes_an_adapter(fake_hub, model):
    url = model.push_adapter_to_hub("me/legal", "legal", datasets_tag="glue", commit_message="One")
    assert url == f"{fake_hub.endpoint}/me/legal"
    assert metadata_of(card_of(fake_hub, "me/legal"))["datasets"] == ["glue"]
    assert fake_hub.repos["models", "me/legal"].messages[-1] == "One"


def test_a_backbone_from_a_folder_is_remarked(fake_hub, model, tmp_path):
    model.backbone = model.backbone.model_copy(update={"name": str(tmp_path)})
    pushed = model.push_task("mood", "me/mood")
    assert any("Others do not have the folder" in remark for remark in pushed.remarks)
    assert "base_model" not in metadata_of(card_of(fake_hub, "me/mood"))


def damage(folder, name, change):
    path = folder / name
    path.write_bytes(change(path.read_bytes()))


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("head.safetensors", lambda content: content[:-4]),
        ("head.safetensors", lambda content: content[:-1] + b"\x01"),
        ("adapter.safetensors", lambda content: b""),
        ("task.json", lambda content: b"{"),
        ("task.json", lambda content: content.replace(b'"mood"', b'"../mood"')),
    ],
)
def test_a_task_that_does_not_load_is_not_pushed(fake_hub, mood, refusal, name, change):
    damage(mood, name, change)
    refusal(hub.push, mood, "me/mood")
    assert fake_hub.requests == []


def test_a_lone_file_that_does_not_load_is_not_pushed(fake_hub, model, tmp_path, refusal):
    path = model.save_head("tone", tmp_path)
    damage(tmp_path, path.name, lambda content: content.replace(b'\\"good\\"', b'\\"bad\\" '))
    assert "does not load, so it is not pushed" in refusal(hub.push, path, "me/tone")
    assert fake_hub.requests == []


def test_a_place_with_nothing_to_push_is_refused(fake_hub, tmp_path, refusal):
    assert "holds nothing to push" in refusal(hub.push, tmp_path, "me/x")
    assert "neither a folder nor a file" in refusal(hub.push, tmp_path / "no", "me/x")
    (tmp_path / "adapter_config.json").write_text("{}")
    assert "saved by another library" in refusal(hub.push, tmp_path, "me/x")


@pytest.mark.parametrize(
    ("there", "told"),
    [
        (["config.json", "model.safetensors"], "holds a whole model"),
        (["adapter_config.json", "adapter.safetensors"], "an adapter of the library 'adapters'"),
        (["adapter_config.json", "adapter_model.safetensors"], "an adapter of the library 'peft'"),
        (["topic/task.json"], "holds tasks in folders of their own"),
    ],
)
def test_nothing_is_put_among_the_files_of_something_else(fake_hub, mood, refusal, there, told):
    fake_hub.add_repo("me/x", dict.fromkeys(there, b"{}"))
    assert told in refusal(hub.push, mood, "me/x")
    assert set(fake_hub.files("me/x")) == set(there)
    hub.push(mood, "me/x/mood")


def test_a_part_does_not_break_the_task_that_is_there(fake_hub, mood, model, refusal):
    hub.push(mood, "me/mood")
    before = fake_hub.files("me/mood")
    assert "holds a task" in refusal(model.push_adapter, "legal", "me/mood")
    assert fake_hub.files("me/mood") == before
    model.push_adapter("legal", "me/parts")
    assert "adapter.safetensors too" in refusal(model.push_head, "tone", "me/parts")


def test_a_card_with_metadata_that_the_hub_refuses_is_told(fake_hub, mood, refusal):
    (mood / "README.md").write_text("---\n- [\n---\n# Mine\n")
    assert re.search("[Ii]nvalid metadata in README.md", refusal(hub.push, mood, "me/mood"))
    assert set(fake_hub.files("me/mood")) == {".gitattributes"}


def test_a_pull_request_to_a_branch_is_refused(fake_hub, mood, refusal):
    assert "leave the revision out" in refusal(
        hub.push, mood, "me/mood", revision="v2", create_pr=True
    )
    assert fake_hub.requests == []


def test_the_errors_are_of_the_kinds_that_callers_catch():
    assert issubclass(HubError, OSError)
    assert issubclass(ArtifactError, ValueError)
