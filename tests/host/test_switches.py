import pytest

from polyhead.host import DISABLE_VARIABLE, PluginRecord, Provider
from polyhead.host.switches import Switches


def record(distribution: str = "My_Heads", name: str = "main") -> PluginRecord:
    return PluginRecord(name, Provider(distribution, "1.0"), "my_heads.plugin")


@pytest.mark.parametrize(
    "name", ["my-heads", "My_Heads", " my.heads ", "main", "MAIN", "all", "*", "ALL"]
)
def test_a_plugin_is_switched_off_by_either_name_or_with_all(name, monkeypatch):
    monkeypatch.setenv(DISABLE_VARIABLE, f"something,{name},")
    plugin = record()
    assert Switches.of_environment().apply(plugin)
    assert plugin.disabled == DISABLE_VARIABLE
    assert plugin.status == "disabled"


@pytest.mark.parametrize("value", ["", " , ,", "my-head", "heads", "my-heads-2", None])
def test_other_names_switch_nothing_off(value, monkeypatch):
    monkeypatch.delenv(DISABLE_VARIABLE, raising=False)
    if value is not None:
        monkeypatch.setenv(DISABLE_VARIABLE, value)
    plugin = record()
    assert not Switches.of_environment().apply(plugin)
    assert plugin.disabled is None


def test_names_that_no_plugin_has_are_told_as_they_were_given():
    switches = Switches(["Zebra", "my-heads", "other_heads", "all"], "a test")
    for distribution in ("my-heads", "third"):
        switches.apply(record(distribution))
    assert switches.unknown() == ["Zebra", "other_heads"]
