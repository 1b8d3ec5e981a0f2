"""`polyhead plugins`: the story of every plugin."""

import json

import pytest

COMMAND = """
    import polyhead as ph

    @ph.hookimpl
    def polyhead_register_commands(register):
        register("{name}", lambda: None)

    @ph.hookimpl
    def polyhead_serve_event(event):
        pass
"""
HALF = (
    COMMAND
    + """
    @ph.hookimpl
    def polyhead_register_heads(register):
        raise OSError("no disk")
"""
)


def told(run, *words) -> dict:
    return {
        record["distribution"]: record
        for record in json.loads(run(*words, "plugins", "--json").stdout)
    }


def test_built_in_plugins_are_listed_with_what_they_provide(run):
    records = {record["name"]: record for record in json.loads(run("plugins", "--json").stdout)}
    assert "head classification" in records["polyhead.heads.builtin"]["provides"]
    assert "backbone minilm" in records["polyhead.encoder.backbones"]["provides"]
    built_in = [record for record in records.values() if record["is_builtin"]]
    assert {record["status"] for record in built_in} == {"ok"}
    assert "polyhead.heads.builtin" in run("plugins").stdout


def test_the_story_of_every_plugin_is_told(run, install_plugin, monkeypatch):
    monkeypatch.setenv("COLUMNS", "400")
    install_plugin("good", COMMAND.format(name="good"), version="2.5")
    install_plugin("raising", "1 / 0")
    install_plugin("half", HALF.format(name="half"))
    install_plugin("late", COMMAND.format(name="late"), requires=["polyhead>=99"])
    install_plugin("one", COMMAND.format(name="same"))
    install_plugin("two", COMMAND.format(name="same"))
    install_plugin("resting", COMMAND.format(name="resting"))
    monkeypatch.setenv("POLYHEAD_DISABLE_PLUGINS", "resting, nobody")
    records = told(run)
    assert {name: records[name]["status"] for name in records if name != "polyhead"} == {
        "good": "ok",
        "half": "failed",
        "late": "failed",
        "one": "conflict",
        "raising": "failed",
        "resting": "disabled",
        "two": "conflict",
    }
    good = records["good"]
    assert (good["version"], good["name"], good["target"]) == ("2.5", "main", "good_plugin")
    assert good["provides"] == ["observer serve_event", "command good"]
    assert good["import_s"] > 0
    assert "ZeroDivisionError" in records["raising"]["traceback"]
    assert records["half"]["failure"] == "OSError: no disk"
    assert records["late"]["failure"].startswith("NewerPluginError: it requires polyhead>=99")
    assert records["one"]["conflicts"] == ["command same: also claimed by two 1.0 (main)"]
    assert records["resting"]["disabled_by"] == "POLYHEAD_DISABLE_PLUGINS"

    result = run("plugins")
    shown = result.stdout.splitlines()
    for lines in (
        ["ok        main, of good 2.5, ", "provides observer serve_event, command good"],
        ["FAILED    main, of raising 1.0, ", "ZeroDivisionError: division by zero"],
        ["FAILED    main, of half 1.0, ", "OSError: no disk", "still provides observer serve_even"],
        ["CONFLICT  main, of two 1.0, ", "provides ", "command same: also claimed by one 1.0"],
        ["disabled  main, of resting 1.0", "switched off by POLYHEAD_DISABLE_PLUGINS"],
    ):
        [place] = [number for number, line in enumerate(shown) if line.startswith(lines[0])]
        for line, start in zip(shown[place + 1 :], lines[1:], strict=False):
            assert line.startswith(f"          {start}")
    assert "raising 1.0 (main):\nTraceback" in result.stdout
    assert "POLYHEAD_DISABLE_PLUGINS names what is not installed: nobody." in result.stderr


def test_long_lists_are_broken_at_the_terminals_width(run, monkeypatch):
    monkeypatch.setenv("COLUMNS", "70")
    lines = run("plugins").stdout.splitlines()
    assert max(map(len, lines)) <= 70
    assert any("head classification" in line for line in lines)


@pytest.mark.parametrize("value", ["all", "*"])
def test_every_plugin_but_the_built_in_ones_is_switched_off_at_once(
    value, run, install_plugin, monkeypatch
):
    install_plugin("good", COMMAND.format(name="good"))
    monkeypatch.setenv("POLYHEAD_DISABLE_PLUGINS", value)
    records = told(run)
    assert records["good"]["status"] == "disabled"
    assert records["polyhead"]["status"] == "ok"


def test_an_option_switches_plugins_off(run, install_plugin):
    install_plugin("raising", "1 / 0")
    records = told(run, "--no-plugins")
    assert records["raising"]["status"] == "disabled"
    assert records["raising"]["disabled_by"] == "--no-plugins"
    assert "          switched off by --no-plugins\n" in run("plugins").stdout
