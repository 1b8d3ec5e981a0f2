"""Plugins are found, imported when they are asked for, and each fails on its own."""

import sys
import threading

import pytest

from polyhead.errors import DuplicateKindError
from polyhead.host import DISABLE_VARIABLE, Host, Provider
from polyhead.host.host import host

A_COMMAND = """
    import polyhead as ph

    @ph.hookimpl
    def polyhead_register_commands(register):
        register("{name}", lambda: None)
"""
AN_OBSERVER = """
    import polyhead as ph

    @ph.hookimpl
    def polyhead_train_event(event):
        pass

    @ph.hookimpl
    def polyhead_serve_event(event):
        pass
"""


def record_of(plugins: Host, distribution: str):
    return next(
        record for record in plugins.records() if record.provider.distribution == distribution
    )


def test_nothing_is_imported_before_it_is_asked_for(install_plugin):
    install_plugin("good", A_COMMAND.format(name="good"))
    plugins = Host()
    plugins.load_builtin()
    assert "good_plugin" not in sys.modules
    assert plugins.command("good").record.provider == Provider("good", "1.0")
    assert "good_plugin" in sys.modules


def test_commands_need_none_of_the_built_in_plugins(install_plugin):
    install_plugin("good", A_COMMAND.format(name="good"))
    plugins = Host()
    assert plugins.command_names() == ["good"]
    assert [record.name for record in plugins.records()] == ["main"]
    assert plugins.command("other") is None


def test_two_commands_of_one_name_are_refused_with_both_plugins(install_plugin):
    install_plugin("one", A_COMMAND.format(name="same"))
    install_plugin("two", A_COMMAND.format(name="same"))
    install_plugin("zone", A_COMMAND.format(name="zone"))
    plugins = Host()
    with pytest.raises(DuplicateKindError, match=r"one 1\.0 \(main\) and two 1\.0 \(main\)"):
        plugins.command("same")
    assert plugins.command("zone") is not None
    assert record_of(plugins, "one").status == "conflict"


def test_a_command_of_a_built_in_name_is_a_failure_of_the_plugin(install_plugin):
    install_plugin("greedy", A_COMMAND.format(name="train"))
    plugins = Host()
    assert plugins.command_names() == []
    assert "'train' is one of polyhead's own" in record_of(plugins, "greedy").failure


def test_an_observer_is_told_among_what_a_plugin_provides(install_plugin):
    install_plugin("watcher", AN_OBSERVER)
    plugins = Host()
    [(record, implementation)] = plugins.implementations("polyhead_train_event")
    assert record.provides == ["observer serve_event", "observer train_event"]
    assert implementation.function.__name__ == "polyhead_train_event"


NAMED = """
    import polyhead as ph
    POLYHEAD_API = {number}

    @ph.hookimpl
    def polyhead_register_commands(register):
        register("late", lambda: None)
"""


@pytest.mark.parametrize(
    ("source", "requires", "failure"),
    [
        (NAMED.format(number=2), (), "NewerPluginError: it needs version 2 of the plugin API"),
        (NAMED.format(number="'one'"), (), "ContractError: POLYHEAD_API is the lowest version"),
        ("1 / 0", ("polyhead>=9",), "NewerPluginError: it requires polyhead>=9 and this is"),
        (
            "from polyhead import Later\nPOLYHEAD_API = 5",
            (),
            "NewerPluginError: it needs version 5",
        ),
        ("from polyhead import Later", (), "ImportError: cannot import name 'Later'"),
    ],
)
def test_a_plugin_that_needs_a_newer_polyhead_is_refused_and_stops_no_other(
    source, requires, failure, install_plugin
):
    install_plugin("late", source, requires=requires)
    install_plugin("zone", A_COMMAND.format(name="zone"))
    plugins = Host()
    assert plugins.command_names() == ["zone"]
    assert record_of(plugins, "late").failure.startswith(failure)
    assert record_of(plugins, "late").status == "failed"


def test_a_distribution_that_requires_a_newer_one_is_not_even_imported(install_plugin):
    install_plugin("late", NAMED.format(number=1), requires=["polyhead>=9"])
    assert Host().command("late") is None
    assert "late_plugin" not in sys.modules


def test_an_api_that_is_there_is_accepted(install_plugin):
    install_plugin("fitting", NAMED.format(number=1), requires=["polyhead>=0.1"])
    assert Host().command("late") is not None


@pytest.mark.parametrize("name", ["good", "main", "all", "*"])
def test_a_plugin_that_is_switched_off_is_not_imported(name, install_plugin, monkeypatch):
    install_plugin("good", A_COMMAND.format(name="good"))
    monkeypatch.setenv(DISABLE_VARIABLE, name)
    plugins = Host()
    assert plugins.command("good") is None
    assert "good_plugin" not in sys.modules
    assert record_of(plugins, "good").status == "disabled"
    assert plugins.unknown_switches() == []
    assert "switched off and may provide it: good 1.0 by POLYHEAD" in plugins.suspects()
    told = plugins.how_to_have(Provider("good", "1.0"))
    assert told == f"good 1.0 is installed and switched off by {DISABLE_VARIABLE}."


def test_all_plugins_are_switched_off_by_an_option_and_none_of_the_built_in(install_plugin):
    install_plugin("good", A_COMMAND.format(name="good"))
    plugins = Host()
    plugins.switch_off_all("--no-plugins")
    plugins.load_builtin()
    assert plugins.command_names() == []
    assert {record.status for record in plugins.records() if record.is_builtin} == {"ok"}
    assert record_of(plugins, "good").disabled == "--no-plugins"


def test_switched_off_names_that_nobody_has_are_told(install_plugin, monkeypatch):
    install_plugin("good", A_COMMAND.format(name="good"))
    monkeypatch.setenv(DISABLE_VARIABLE, "goood,polyhead,good")
    assert Host().unknown_switches() == ["goood", "polyhead"]


def test_what_a_plugin_prints_while_it_is_loaded_goes_to_standard_error(install_plugin, capsys):
    install_plugin(
        "loud",
        "print('imported')"
        + A_COMMAND.format(name="loud").replace("\n    ", "\n")
        + "    print('called')\n",
    )
    assert Host().command_names() == ["loud"]
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err == "imported\ncalled\n"


RAISING = """
    class Odd(BaseException):
        pass
    raise {error}
"""


@pytest.mark.parametrize(
    "error", ["SystemExit(3)", "GeneratorExit()", "StopIteration()", "Odd('so')", "MemoryError()"]
)
def test_whatever_is_raised_stops_no_other(error, install_plugin):
    install_plugin("broken", RAISING.format(error=error))
    install_plugin("zone", A_COMMAND.format(name="zone"))
    plugins = Host()
    assert plugins.command_names() == ["zone"]
    assert record_of(plugins, "broken").failure.startswith(error.partition("(")[0])


def test_ctrl_c_goes_up_and_the_next_who_asks_finds_everything(install_plugin):
    source = """
        import builtins
        if not hasattr(builtins, "polyhead_test_seen"):
            builtins.polyhead_test_seen = True
            raise KeyboardInterrupt
    """
    install_plugin("a-slow-one", source + A_COMMAND.replace("\n", "\n    ").format(name="slow"))
    install_plugin("zone", A_COMMAND.format(name="zone"))
    plugins = Host()
    try:
        with pytest.raises(KeyboardInterrupt):
            plugins.command_names()
        assert plugins.command_names() == ["slow", "zone"]
    finally:
        import builtins  # noqa: PLC0415

        del builtins.polyhead_test_seen
    assert [record.status for record in plugins.records()] == ["ok", "ok"]


def test_ctrl_c_in_a_hook_goes_up_and_the_hook_is_called_again(install_plugin):
    install_plugin(
        "slow",
        """
        import polyhead as ph
        CALLS = []

        @ph.hookimpl
        def polyhead_register_commands(register):
            CALLS.append(1)
            register("slow", print)
            if len(CALLS) == 1:
                raise KeyboardInterrupt
        """,
    )
    plugins = Host()
    with pytest.raises(KeyboardInterrupt):
        plugins.command_names()
    assert plugins.command_names() == ["slow"]
    assert plugins.command("slow") is not None
    assert record_of(plugins, "slow").provides == ["command slow"]


def test_a_plugin_that_asks_for_plugins_while_it_is_imported_sees_the_earlier_ones(install_plugin):
    asking = "from polyhead.host.host import host\nSEEN = host().command_names()\n"
    install_plugin("a-first", A_COMMAND.format(name="first"))
    source = A_COMMAND.format(name="curious").replace("\n    ", "\n")
    install_plugin("curious", asking + source)
    assert host().command_names() == ["curious", "first"]
    assert sys.modules["curious_plugin"].SEEN == []
    assert {record.status for record in host().records()} == {"ok"}


def test_a_plugin_that_is_in_the_middle_of_its_import_is_told(install_plugin):
    asking = "from polyhead.host.host import host\nSEEN = host().command_names()\n"
    source = A_COMMAND.format(name="curious").replace("\n    ", "\n")
    install_plugin("curious", asking + source)
    import curious_plugin  # noqa: PLC0415 - it was written a line above

    assert curious_plugin.SEEN == []
    assert (
        "asks polyhead for something while it is imported" in record_of(host(), "curious").failure
    )


def test_a_version_further_down_the_path_does_not_count(install_plugin, tmp_path, monkeypatch):
    install_plugin("twice", A_COMMAND.format(name="new"), version="2.0")
    monkeypatch.syspath_prepend(tmp_path / "nearer")
    info = tmp_path / "nearer" / "Twice-3.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: Twice\nVersion: 3.0\n")
    (info / "entry_points.txt").write_text("[polyhead]\nmain = twice_plugin\n")
    plugins = Host()
    assert plugins.command("new").record.provider == Provider("Twice", "3.0")
    assert len(plugins.records()) == 1


def test_many_threads_load_plugins_once(install_plugin):
    install_plugin("counted", A_COMMAND.format(name="counted"))
    plugins = Host()
    found = []
    start = threading.Barrier(8)

    def ask():
        start.wait()
        found.append(plugins.command("counted").value)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1
    assert len(plugins.records()) == 1


def test_a_host_without_entry_points_has_no_plugin(install_plugin):
    install_plugin("good", A_COMMAND.format(name="good"))
    assert Host(entry_points=False).command("good") is None


def test_the_process_has_one_host():
    assert host() is host()
