import pytest

from polyhead.host import PluginRecord, Provider
from polyhead.host.advice import how_to_have, suspects

WANTED = Provider("my-heads", "1.0")


def record(distribution: str, version: str = "1.0", **fields) -> PluginRecord:
    return PluginRecord("main", Provider(distribution, version), "my_heads.plugin", **fields)


def test_nobody_is_suspected_of_nothing():
    assert suspects([]) == suspects([record("a")]) == ""


def test_those_who_failed_and_those_who_are_off_are_named():
    records = [
        record("a", failure="ValueError: no"),
        record("b"),
        record("c", disabled="--no-plugins"),
        record("d", failure="OSError"),
    ]
    assert suspects(records) == (
        "These plugins failed to load and may provide it: a 1.0: ValueError: no; d 1.0: OSError. "
        "These are switched off and may provide it: c 1.0 by --no-plugins."
    )


@pytest.mark.parametrize(
    ("records", "told"),
    [
        ([], "it is missing; pip install 'my-heads==1.0'"),
        ([record("other")], "it is missing; pip install 'my-heads==1.0'"),
        (
            [record("My_Heads", "2.0")],
            "My_Heads 2.0 is installed and does not provide it; pip install 'my-heads==1.0'",
        ),
        (
            [record("my-heads", "2.0", failure="ImportError: no x"), record("my-heads", "2.0")],
            (
                "my-heads 2.0 is installed and failed to load (ImportError: no x); `polyhead "
                "plugins` shows its traceback."
            ),
        ),
        (
            [record("my-heads", disabled="--no-plugins")],
            "my-heads 1.0 is installed and switched off by --no-plugins.",
        ),
    ],
)
def test_what_is_missing_is_told_with_the_reason_and_the_remedy(records, told):
    assert how_to_have(WANTED, records) == told


def test_what_cannot_be_installed_by_name_is_told_without_a_command():
    told = how_to_have(Provider("unknown", "unknown"), [])
    assert told == "it is missing; install the plugin that provides it."
