"""A task's folder is written as a whole, read without tensors, and refused when it is damaged."""

import json
import shutil

import pytest

from polyhead.artifact import check_task_files, find_tasks, read_task
from polyhead.errors import (
    ArtifactError,
    InputError,
    NewerFormatError,
    OutputExistsError,
    WriteError,
)
from polyhead.tokenizer import TextSettings


@pytest.fixture
def folder(model, tmp_path):
    model.save_task("mood", tmp_path / "mood")
    return tmp_path / "mood"


def refusal(folder, error=ArtifactError):
    with pytest.raises(error) as caught:
        check_task_files(read_task(folder))
    message = str(caught.value)
    assert "\n" not in message
    assert str(folder) in message
    return message


def change_json(folder, change):
    path = folder / "task.json"
    fields = json.loads(path.read_text())
    change(fields)
    path.write_text(json.dumps(fields))


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_task_is_four_files(folder):
    assert names(folder) == ["README.md", "adapter.safetensors", "head.safetensors", "task.json"]
    check_task_files(read_task(folder))


def test_a_task_on_the_bare_encoder_has_no_adapter_file(model, tmp_path):
    model.save_task("bare", tmp_path / "bare")
    assert names(tmp_path / "bare") == ["README.md", "head.safetensors", "task.json"]
    saved = read_task(tmp_path / "bare")
    assert saved.adapter is None
    assert saved.manifest.adapter is None
    check_task_files(saved)


def test_further_files_lie_beside_them(model, tmp_path):
    model.save_task("mood", tmp_path / "mood", files={"train.jsonl": '{"é": 1}\n'})
    assert (tmp_path / "mood" / "train.jsonl").read_text(encoding="utf-8") == '{"é": 1}\n'


@pytest.mark.parametrize(
    "name", ["../x", "a/b", "", ".", "task.json", "head.safetensors", "/etc/x"]
)
def test_further_files_cannot_lie_elsewhere_or_replace_the_tasks(model, tmp_path, name):
    with pytest.raises(InputError, match="cannot be the name of a file beside a task's"):
        model.save_task("mood", tmp_path / "in" / "mood", files={name: "text"})
    assert list(tmp_path.iterdir()) == []


def test_text_settings_are_kept(make_model, two_labels, tmp_path):
    model = make_model()
    text = TextSettings(max_length=17, truncation="only_first")
    model.add_task("mood", head=two_labels, text=text)
    model.save_task("mood", tmp_path / "mood")
    assert read_task(tmp_path / "mood").manifest.text == text


def test_a_folder_that_exists_is_refused_without_the_flag(model, folder):
    before = {name: (folder / name).read_bytes() for name in names(folder)}
    with pytest.raises(OutputExistsError, match="exists; choose another place"):
        model.save_task("bare", folder)
    assert {name: (folder / name).read_bytes() for name in names(folder)} == before
    model.save_task("bare", folder, overwrite=True)
    assert names(folder) == ["README.md", "head.safetensors", "task.json"]


def test_a_folder_that_is_no_task_is_refused_even_with_the_flag(model, tmp_path):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.txt").write_text("years")
    with pytest.raises(OutputExistsError, match="so it is not overwritten"):
        model.save_task("mood", tmp_path / "home", overwrite=True)
    assert names(tmp_path / "home") == ["thesis.txt"]


def test_the_folder_where_we_are_is_refused_and_left_alone(model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(WriteError):
        model.save_task("mood", ".")
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_the_old_task(model, folder, monkeypatch):
    before = {name: (folder / name).read_bytes() for name in names(folder)}

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("os.write", full)
        with pytest.raises(WriteError, match=r"No space left on device\. Nothing was changed"):
            model.save_task("bare", folder, overwrite=True)
    assert {name: (folder / name).read_bytes() for name in names(folder)} == before
    assert names(folder.parent) == ["mood"]


def test_a_missing_folder_is_refused(tmp_path):
    assert "is no folder" in refusal(tmp_path / "nowhere")


def test_a_folder_without_task_json_is_refused(tmp_path):
    assert "is not a task's folder: it has no task.json" in refusal(tmp_path)


@pytest.mark.parametrize("name", ["x" * 300, "a\0b"])
def test_an_impossible_path_is_refused(tmp_path, name):
    refusal(tmp_path / name)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[]", b"[" * 200_000])
def test_a_task_json_that_is_none_is_refused(folder, content):
    (folder / "task.json").write_bytes(content)
    assert "task.json" in refusal(folder)


@pytest.mark.parametrize("name", ["head.safetensors", "adapter.safetensors"])
def test_a_missing_file_is_refused(folder, name):
    (folder / name).unlink()
    assert f"{name} is not a file" in refusal(folder)


@pytest.mark.parametrize("name", ["head.safetensors", "adapter.safetensors"])
def test_a_file_cut_short_is_refused(folder, name):
    whole = (folder / name).read_bytes()
    for length in (0, 5, 8, 100, len(whole) // 2, len(whole) - 1):
        (folder / name).write_bytes(whole[:length])
        assert name in refusal(folder)


@pytest.mark.parametrize("name", ["head.safetensors", "adapter.safetensors"])
def test_a_file_whose_digest_differs_is_refused(folder, name):
    content = bytearray((folder / name).read_bytes())
    content[-1] ^= 1
    (folder / name).write_bytes(content)
    assert "is not the file this task was saved with: its digest differs" in refusal(folder)


def test_files_in_each_others_place_are_refused(folder):
    head, adapter = folder / "head.safetensors", folder / "adapter.safetensors"
    content = head.read_bytes()
    shutil.copy(adapter, head)
    assert "head.safetensors was saved as 'adapter', not as 'head'" in refusal(folder)
    head.write_bytes(content)
    shutil.copy(head, adapter)
    assert "adapter.safetensors was saved as 'head', not as 'adapter'" in refusal(folder)


def test_a_part_of_another_backbone_is_refused(folder, make_model, two_labels, tmp_path):
    other = make_model(seed=1)
    other.add_task("mood", head=two_labels)
    other.save_task("mood", tmp_path / "other")
    shutil.copy(tmp_path / "other" / "head.safetensors", folder)
    assert "belongs to another backbone than the task it lies in" in refusal(folder)


def test_a_newer_format_is_refused_as_such(folder):
    change_json(folder, lambda fields: fields.update(format=2, polyhead="7.0", more=1))
    assert "is in format 2, written by polyhead 7.0" in refusal(folder, NewerFormatError)


def test_an_unknown_field_is_refused(folder):
    change_json(folder, lambda fields: fields.update(licence="MIT"))
    assert "unknown field 'licence'" in refusal(folder)


def test_a_manifest_of_another_artifact_is_refused(folder):
    change_json(folder, lambda fields: fields.update(artifact="head"))
    assert "artifact" in refusal(folder)


def test_tasks_are_found_sorted(model, tmp_path):
    for name in ("b", "a", "c"):
        model.save_task("bare", tmp_path / "tasks" / name)
    (tmp_path / "tasks" / "empty").mkdir()
    (tmp_path / "tasks" / "file").touch()
    (tmp_path / "tasks" / ".hidden").mkdir()
    (tmp_path / "tasks" / ".hidden" / "task.json").touch()
    found = find_tasks(tmp_path / "tasks")
    assert found == [tmp_path / "tasks" / name for name in "abc"]
    assert find_tasks(found[0]) == [found[0]]
    assert find_tasks(tmp_path / "tasks" / "empty") == []


@pytest.mark.parametrize("name", ["nowhere", "file", "x" * 300])
def test_tasks_are_looked_for_in_a_folder(tmp_path, name):
    (tmp_path / "file").touch()
    with pytest.raises(ArtifactError, match="is not a folder"):
        find_tasks(tmp_path / name)


def test_a_mistyped_folder_is_told_which_tasks_there_are(folder, tmp_path):
    for wrong in (tmp_path / "moood", tmp_path):
        with pytest.raises(ArtifactError, match=r"Tasks in .*: 'mood'\.$"):
            read_task(wrong)
