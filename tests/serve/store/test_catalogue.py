"""Tasks are found by their own names; what is odd about one is said of that one."""

import json

import pytest

from polyhead.errors import ArtifactError
from polyhead.serve.store.catalogue import Catalogue


def rename(place, name):
    fields = json.loads((place / "task.json").read_text())
    (place / "task.json").write_text(json.dumps({**fields, "name": name}))


def test_a_task_is_called_as_its_manifest_says(publish, folder):
    publish("mood", "folder-of-mood")
    [found] = Catalogue(folder).look().values()
    assert (found.name, found.folder.name, found.error) == ("mood", "folder-of-mood", None)


def test_one_task_may_be_the_whole_folder(publish, open_store, folder):
    place = publish("mood")
    assert list(Catalogue(place).look()) == ["mood"]


def test_what_is_no_task_is_left_out(publish, folder):
    publish("mood")
    publish("hidden", ".hidden")
    (folder / "empty").mkdir()
    (folder / "file").touch()
    (folder / "other").mkdir()
    (folder / "other" / "head.safetensors").touch()
    assert list(Catalogue(folder).look()) == ["mood"]


def test_the_second_folder_of_one_name_is_damaged(publish, folder):
    publish("mood", "a-copy")
    publish("mood")
    found = Catalogue(folder).look()
    assert found["mood"].folder.name == "mood"  # which is called as its task
    message = str(found["a-copy"].error)
    assert message == (
        "the folder a-copy holds the task 'mood', and so does mood, which is served; save it under "
        "another name, or remove one of them."
    )


def test_a_second_folder_takes_nothing_from_the_first(publish, folder):
    publish("mood", "z")
    catalogue = Catalogue(folder)
    catalogue.look()
    publish("mood", "a")
    found = catalogue.look()
    assert found["mood"].folder.name == "z"
    assert "holds the task 'mood'" in str(found["a"].error)
    publish.delete("z")
    found = catalogue.look()
    assert list(found) == ["mood"]
    assert found["mood"].folder.name == "a"


def test_a_label_that_is_taken_is_made_another(publish, folder):
    publish("mood")
    publish("topic", "a")
    publish("mood", "topic")
    publish("a", "b")
    found = Catalogue(folder).look()
    assert sorted(found) == ["a", "mood", "topic", "topic (folder)"]
    assert found["topic (folder)"].error is not None


@pytest.mark.parametrize("name", ["../x", "", "a b", "x" * 65, ".versions", "é"])
def test_a_task_whose_name_is_none_is_damaged(publish, folder, name):
    rename(publish("mood"), name)
    [found] = Catalogue(folder).look().values()
    assert found.name == "mood"
    assert "mood/task.json: " in str(found.error)
    assert "cannot name a task" in str(found.error)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[" * 100_000, b'{"name": "mood"}'])
def test_a_damaged_task_json_is_said_of_its_folder(publish, folder, content):
    (publish("mood") / "task.json").write_bytes(content)
    publish("topic")
    found = Catalogue(folder).look()
    assert found["topic"].error is None
    assert isinstance(found["mood"].error, ArtifactError)
    assert "mood/task.json" in str(found["mood"].error)
    assert str(folder) not in str(found["mood"].error)


def test_only_what_has_changed_is_read(publish, folder):
    publish("mood")
    publish("topic")
    catalogue = Catalogue(folder)
    before = catalogue.look()
    assert catalogue.look() is before
    publish("mood")
    after = catalogue.look()
    assert after["topic"] is before["topic"]
    assert after["mood"].digest != before["mood"].digest


@pytest.mark.parametrize("name", ["nowhere", "file", "x" * 300, "a\0b"])
def test_tasks_are_looked_for_in_a_folder(tmp_path, name):
    (tmp_path / "file").touch()
    with pytest.raises(ArtifactError, match="is not a folder"):
        Catalogue(tmp_path / name).look()


def test_a_folder_that_does_not_come_back_is_gone(publish, folder):
    place = publish("mood")
    pauses = []
    catalogue = Catalogue(folder, pause=pauses.append)
    catalogue.look()
    place.rename(folder / ".mood.0123abcd")
    assert catalogue.look() == {}
    assert sum(pauses) < 1
