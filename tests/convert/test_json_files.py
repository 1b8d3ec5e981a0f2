"""Small JSON files from unknown hands."""

import os

import pytest

from polyhead.convert.json_files import field, no_others, read_json
from polyhead.errors import ArtifactError, ConversionError


@pytest.fixture
def written(tmp_path):
    def write(content):
        path = tmp_path / "config.json"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def test_an_object_is_read(written):
    assert read_json(written('{"a": [1, 2.5, null, "é"]}')) == {"a": [1, 2.5, None, "é"]}


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "3",
        "null",
        '{"a": NaN}',
        '{"a": -Infinity}',
        '{"a": 1, "a": 2}',
        '{"a": {"b": 1, "b": 2}}',
        '{"a": ' + "9" * 5000 + "}",
        "[" * 100_000,
        '{"a":' * 100_000,
        b'{"a": "\xff"}',
        b"\x00",
        '{"a": "' + "x" * (1 << 20) + '"}',
    ],
    ids=range(15),
)
def test_anything_else_is_refused_in_one_line(content, written):
    with pytest.raises(ArtifactError) as told:
        read_json(written(content))
    assert "\n" not in str(told.value)
    assert "config.json" in str(told.value)


def test_a_file_without_end_is_not_read_to_its_end(tmp_path):
    path = tmp_path / "config.json"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(ArtifactError, match="larger than"):
        read_json(path)


@pytest.mark.skipif(os.name == "nt", reason="there are no such files")
def test_what_is_no_file_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zero").symlink_to("/dev/zero")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for name in ("pipe", "zero", "loop", ".", "nowhere", "x" * 300):
        with pytest.raises(ArtifactError, match="is not a file"):
            read_json(tmp_path / name)


def test_a_field_has_its_type(tmp_path):
    fields = {"name": "a", "number": 3, "truth": True}
    assert field(fields, "name", str, tmp_path) == "a"
    assert field(fields, "number", (int, float), tmp_path) == 3
    assert field(fields, "truth", bool, tmp_path) is True


@pytest.mark.parametrize(("name", "wanted"), [("name", int), ("truth", int), ("none", str)])
def test_a_field_of_another_type_is_refused(name, wanted, tmp_path):
    with pytest.raises(ArtifactError, match=name):
        field({"name": "a", "truth": True, "none": None}, name, wanted, tmp_path)


def test_a_missing_field_is_told(tmp_path):
    with pytest.raises(ArtifactError, match="lacks the field 'r'"):
        field({}, "r", int, tmp_path)


@pytest.mark.parametrize("name", ["alph\u0430", "R", "r ", "\uff52"])
def test_look_alikes_are_fields_that_are_not_known(name, tmp_path):
    with pytest.raises(ConversionError, match="not known here"):
        no_others({"r": 1, name: 2}, ("r", "alpha"), tmp_path)
