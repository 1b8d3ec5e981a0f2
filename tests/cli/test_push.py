"""`polyhead push`: one line that says where it lies, remarks beside it, errors as one sentence."""

import json

import pytest

# of the hub's client, to itself
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")


def test_it_prints_where_it_lies(fake_hub, run, task):
    result = run("push", task, "me/mood")
    assert result.exit_code == 0, result.output
    assert result.stdout == f"{fake_hub.endpoint}/me/mood\n"
    assert "Others do not have the folder" in result.stderr  # the backbone of the tests
    again = run("push", task, "me/mood")
    assert "The hub has it already; nothing was sent." in again.stderr


def test_its_options_reach_the_hub(fake_hub, run, task):
    options = ["--private", "--revision", "v2", "--message", "Here", "--license", "mit"]
    words = ["--language", "en", "--language", "de", "--dataset", "glue", "--subfolder", "sub"]
    assert run("push", task, "me/mood", *options, *words).exit_code == 0
    repo = fake_hub.repos["models", "me/mood"]
    assert repo.private
    assert repo.messages[-1] == "Here"
    card = fake_hub.files("me/mood", "v2")["sub/README.md"].decode()
    for line in ('license: "mit"', 'language: ["en", "de"]', 'datasets: ["glue"]'):
        assert line in card


def test_a_pull_request_is_printed(fake_hub, run, task):
    fake_hub.add_repo("somebody/mood", {"a.txt": b"a"})
    result = run("push", task, "somebody/mood", "--pr")
    assert result.stdout == f"{fake_hub.endpoint}/somebody/mood/discussions/1\n"


def test_json_tells_all_of_it(fake_hub, run, task):
    (task / "notes.txt").write_text("mine")
    result = run("push", task, "me/mood", "--json")
    told = json.loads(result.stdout)
    assert told["repo_id"] == "me/mood"
    assert told["is_new"] is True
    assert "head.safetensors" in told["files"]
    assert told["left_out"] == ["notes.txt"]
    assert "Not pushed, since no part of it: notes.txt." in result.stderr


def test_a_card_that_somebody_wrote_is_replaced_only_when_asked(fake_hub, run, task):
    fake_hub.add_repo("me/mood", {"README.md": b"# Mine\n"})
    assert "was written by hand, and is kept" in run("push", task, "me/mood").stderr
    assert fake_hub.files("me/mood")["README.md"] == b"# Mine\n"
    run("push", task, "me/mood", "--overwrite-card")
    assert fake_hub.files("me/mood")["README.md"].startswith(b"---\n")


def test_a_lone_file_is_pushed(fake_hub, run, task):
    assert run("push", task / "adapter.safetensors", "me/adapter").exit_code == 0
    files = fake_hub.files("me/adapter")
    assert set(files) == {".gitattributes", "README.md", "adapter.safetensors"}


def test_what_cannot_be_pushed_is_one_sentence(fake_hub, refused, task, tmp_path, monkeypatch):
    assert "names no repository" in refused("push", task, "mood")
    assert "neither a folder nor a file" in refused("push", tmp_path / "no", "me/mood")
    assert "(403)" in refused("push", task, "somebody/mood")
    (task / "head.safetensors").write_bytes(b"junk")
    assert "is damaged" in refused("push", task, "me/mood")
    monkeypatch.delenv("HF_TOKEN")
    assert "hf auth login" in refused("push", task / "adapter.safetensors", "me/mood")
