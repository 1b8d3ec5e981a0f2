"""Names in foreign files: what may be a name here, and what may be a folder."""

import pytest

from polyhead.convert.naming import chosen_name, subfolder
from polyhead.errors import ArtifactError, InvalidNameError


def test_the_name_that_is_asked_for_comes_first(tmp_path):
    assert chosen_name("mine", "a", "adapter", tmp_path) == "mine"
    assert chosen_name(None, "a", "adapter", tmp_path) == "a"


@pytest.mark.parametrize("found", ["", "../x", "a.b", "x" * 65, "\u0430", None, 3, ["a"], "a\n"])
def test_what_cannot_be_a_name_here_needs_another(found, tmp_path):
    with pytest.raises(InvalidNameError, match="--name") as told:
        chosen_name(None, found, "head", tmp_path)
    assert "\n" not in str(told.value)
    assert chosen_name("mine", found, "head", tmp_path) == "mine"


@pytest.mark.parametrize("given", ["", "a/b", "../x", "x" * 65])
def test_a_name_that_is_asked_for_is_held_to_the_same(given, tmp_path):
    with pytest.raises(InvalidNameError):
        chosen_name(given, "a", "adapter", tmp_path)


def test_a_folder_inside_is_found(tmp_path):
    (tmp_path / "a,b").mkdir()
    assert subfolder(tmp_path, "a,b") == tmp_path / "a,b"


@pytest.mark.parametrize(
    "name", ["..", ".", "", "../x", "/etc", "a/b", "a\\b", "c:", "a\0b", "x" * 256, None, 3, "nope"]
)
def test_other_folders_are_not(name, tmp_path):
    with pytest.raises(ArtifactError):
        subfolder(tmp_path, name)
