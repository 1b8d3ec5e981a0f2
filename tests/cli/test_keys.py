"""Keys in files and in the environment."""

import pytest

from polyhead.cli.keys import keys_of
from polyhead.errors import ConfigError


@pytest.fixture(autouse=True)
def no_keys_around(monkeypatch):
    monkeypatch.delenv("KEYS", raising=False)


def test_a_file_has_a_key_a_line(tmp_path):
    path = tmp_path / "keys"
    path.write_text("# of the web site\nopen-sesame\n\n  shibboleth  \r\nopen-sesame\n", "utf-8")
    assert keys_of(path, "KEYS") == ["open-sesame", "shibboleth"]


def test_the_environment_has_commas_between(monkeypatch):
    assert keys_of(None, "KEYS") == []
    monkeypatch.setenv("KEYS", "a, b,,c")
    assert keys_of(None, "KEYS") == ["a", "b", "c"]


def test_a_file_goes_before_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("KEYS", "a")
    path = tmp_path / "keys"
    path.write_text("b", "utf-8")
    assert keys_of(path, "KEYS") == ["b"]


@pytest.mark.parametrize("content", [b"", b"\n \n# hush\n"])
def test_a_file_without_a_key_is_refused(content, tmp_path):
    path = tmp_path / "keys"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match="holds no key"):
        keys_of(path, "KEYS")


@pytest.mark.parametrize("content", ["fine\nhush hush", "h\u00fcsh", "hu\x00sh"])
def test_what_is_no_key_is_refused_and_not_repeated(content, tmp_path):
    path = tmp_path / "keys"
    path.write_text(content, "utf-8")
    with pytest.raises(ConfigError, match=r"key \d has blanks") as raised:
        keys_of(path, "KEYS")
    assert "sh" not in str(raised.value).removeprefix(str(path))


def test_a_file_that_cannot_be_read_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        keys_of(tmp_path / "none", "KEYS")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="no UTF-8 text"):
        keys_of(tmp_path / "binary", "KEYS")
