"""A name is a folder, a named backbone or a hub id; the hub itself is in test_hub.py."""

import pytest

from polyhead.encoder import HubOptions, finding
from polyhead.encoder.finding import find_checkpoint, find_config, find_tokenizer
from polyhead.errors import UnknownBackboneError

OPTIONS = HubOptions()


def test_a_folder_is_itself(tmp_path):
    for name in (tmp_path, str(tmp_path)):
        assert find_checkpoint(name, OPTIONS) == tmp_path
        assert find_config(name, OPTIONS) == tmp_path / "config.json"


def test_a_configuration_may_be_a_file(tmp_path):
    path = tmp_path / "other.json"
    path.write_text("{}")
    assert find_config(path, OPTIONS) == find_config(str(path), OPTIONS) == path
    with pytest.raises(UnknownBackboneError):
        find_checkpoint(path, OPTIONS)


def test_a_hub_id_is_asked_for_what_is_needed(monkeypatch, tmp_path):
    monkeypatch.setattr(finding, "download_checkpoint", lambda name, _: tmp_path / name)
    monkeypatch.setattr(finding, "download_config", lambda name, _: tmp_path / name / "c.json")
    assert find_checkpoint("owner/name", OPTIONS) == tmp_path / "owner/name"
    assert find_config("owner/name", OPTIONS) == tmp_path / "owner/name/c.json"


@pytest.mark.parametrize(
    ("name", "hub_id"),
    [
        ("distilbert-base-uncased", "distilbert/distilbert-base-uncased"),
        ("bert-base-uncased", "google-bert/bert-base-uncased"),
        ("distilbert-base/mine", "distilbert-base/mine"),
    ],
)
def test_the_old_names_of_the_documents_stand_for_hub_ids(name, hub_id, monkeypatch, tmp_path):
    for download in ("download_checkpoint", "download_config", "download_tokenizer"):
        monkeypatch.setattr(finding, download, lambda found, _: tmp_path / found)
    for find in (find_checkpoint, find_config, find_tokenizer):
        assert find(name, OPTIONS) == tmp_path / hub_id


def test_a_folder_of_such_a_name_comes_first(monkeypatch, tmp_path):
    (tmp_path / "distilbert-mine").mkdir()
    monkeypatch.chdir(tmp_path)
    assert str(find_checkpoint("distilbert-mine", OPTIONS)) == "distilbert-mine"


@pytest.mark.parametrize("name", ["nothing", "a/b/c", "./gone", "~/gone", "x" * 5000, "a\0b"])
def test_any_other_name_is_refused(name):
    for find in (find_checkpoint, find_config):
        with pytest.raises(UnknownBackboneError, match="Give one of these, a checkpoint folder"):
            find(name, OPTIONS)
