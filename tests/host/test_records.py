import pytest

from polyhead.host import PluginRecord, Provider
from polyhead.host.records import canonical_name, text_of


class MuteError(Exception):
    """An exception that fails even at saying what it is."""

    def __str__(self) -> str:
        raise ValueError("no words")


def record(**fields) -> PluginRecord:
    return PluginRecord("main", Provider("my-heads", "1.0"), "my_heads.plugin", **fields)


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({}, "ok"),
        ({"conflicts": ["head a"]}, "conflict"),
        ({"disabled": "--no-plugins"}, "disabled"),
        ({"failure": "ValueError", "conflicts": ["head a"]}, "failed"),
    ],
)
def test_a_status_is_the_worst_that_is_known(fields, status):
    assert record(**fields).status == status


def test_a_record_is_called_by_distribution_version_and_entry_point():
    assert str(record()) == "my-heads 1.0 (main)"


def test_the_first_failure_is_kept_in_one_short_line():
    plugin = record()
    plugin.fail(ValueError("so\n" * 1000))
    plugin.fail(OSError("later"))
    assert plugin.failure.startswith("ValueError: so so so")
    assert "\n" not in plugin.failure
    assert len(plugin.failure) < 400
    assert plugin.traceback.startswith("ValueError: so\nso\n")


def test_an_exception_that_cannot_be_shown_is_still_recorded():
    plugin = record()
    plugin.fail(MuteError())
    assert plugin.failure == "MuteError: its message cannot be shown (ValueError)"
    assert "MuteError" in plugin.traceback
    assert text_of(ValueError("told")) == "told"


@pytest.mark.parametrize("name", ["My_Plugin", "my.plugin", "my--plugin", "my-plugin"])
def test_names_are_compared_as_package_indexes_do(name):
    assert canonical_name(name) == "my-plugin"
    assert Provider(name, "1").key == "my-plugin"


def test_a_provider_says_what_installs_it():
    provider = Provider("my-heads", "1.0rc1+local.2")
    assert provider.is_known
    assert provider.install_command == "pip install 'my-heads==1.0rc1+local.2'"


@pytest.mark.parametrize(
    ("distribution", "version"),
    [
        ("unknown", "unknown"),
        ("my-heads", ""),
        ("", "1.0"),
        ("x'; rm -rf ~; '", "1.0"),
        ("my-heads", "1.0' --index-url 'https://example.org"),
        ("--upgrade", "1.0"),
    ],
)
def test_what_a_stranger_wrote_into_a_file_becomes_no_command(distribution, version):
    assert not Provider(distribution, version).is_known
