"""Commands that plugins add."""

import json
import os
import subprocess
import sys

import pytest

from polyhead.errors import ConfigError

HELLO = """
    import typer
    import polyhead as ph

    def hello(name: str, loud: bool = False) -> None:
        \"\"\"Say hello to NAME.\"\"\"
        if name == "nobody":
            raise ph.ConfigError("there is\\nnobody.")
        if name == "file":
            open("nowhere/at/all")
        if name == "bug":
            raise KeyError(name)
        if name == "modules":
            import sys
            print(*sys.modules)
        if name == "exit":
            raise typer.Exit(7)
        print(("HELLO " if loud else "hello ") + name)

    group = typer.Typer(help="A group of commands.")

    @group.command()
    def one(what: str) -> None:
        \"\"\"One of them.\"\"\"
        if what == "bug":
            raise KeyError(what)
        print("one", what)

    @ph.hookimpl
    def polyhead_register_commands(register):
        register("hello", hello)
        register("greetings", group)
"""


@pytest.fixture
def hello(install_plugin):
    return install_plugin("hello-commands", HELLO, version="1.2")


def test_a_function_of_a_plugin_is_a_command(hello, run):
    assert run("hello", "you").stdout == "hello you\n"
    assert run("hello", "you", "--loud").stdout == "HELLO you\n"
    assert "Say hello to NAME." in run("hello", "--help").stdout
    assert "Say hello to NAME." in run("hello", "-h").stdout


def test_a_group_of_a_plugin_keeps_its_own_commands(hello, run):
    assert run("greetings", "one", "two").stdout == "one two\n"
    assert "One of them." in run("greetings", "--help").stdout
    assert run("greetings", "two").exit_code == 2


def test_the_help_and_our_own_commands_import_no_plugin(hello, run, tmp_path):
    assert "hello" not in run("--help").stdout
    assert run("tasks", tmp_path).exit_code == 0
    assert run("train", "--help").exit_code == 0
    assert "hello_commands_plugin" not in sys.modules


def test_a_wrong_option_of_a_plugins_command_is_told_as_of_ours(hello, run):
    result = run("hello", "you", "--quiet")
    assert result.exit_code == 2
    assert "No such option" in result.stderr
    assert "Missing argument" in run("hello").stderr


def test_what_users_can_cause_is_one_sentence(hello, refused):
    assert refused("hello", "nobody") == "there is nobody."
    assert refused("hello", "file") == "nowhere/at/all: no such file or directory."


def test_the_exit_code_that_a_command_asks_for_is_kept(hello, run):
    assert run("hello", "exit").exit_code == 7


@pytest.mark.parametrize("words", [("hello", "bug"), ("greetings", "one", "bug")])
def test_a_mistake_of_a_plugin_goes_up_and_names_it(words, hello, run):
    with pytest.raises(KeyError) as caught:
        run(*words)
    [note] = caught.value.__notes__
    assert note.startswith("This was a command of the plugin hello-commands 1.2 (main): report it")


def test_a_mistake_shows_its_traceback_in_a_process(hello):
    told = subprocess.run(
        [sys.executable, "-m", "polyhead", "hello", "bug"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(hello.parent)},
    )
    assert told.returncode == 1
    assert "Traceback" in told.stderr
    assert "KeyError: 'bug'\nThis was a command of the plugin hello-commands 1.2" in told.stderr


def test_debugging_lets_a_sentence_up_with_the_plugin(hello, run, monkeypatch):
    monkeypatch.setenv("POLYHEAD_DEBUG", "1")
    with pytest.raises(ConfigError) as caught:
        run("hello", "nobody")
    assert "of the plugin hello-commands 1.2" in caught.value.__notes__[0]


def test_a_command_of_a_plugin_starts_without_torch_and_the_model(hello):
    told = subprocess.run(
        [sys.executable, "-m", "polyhead", "hello", "modules"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(hello.parent)},
    )
    loaded = set(told.stdout.split())
    assert "hello_commands_plugin" in loaded
    assert not {"torch", "numpy", "polyhead.registry", "polyhead.contracts"} & loaded


def flat(text: str) -> str:
    """Without the box around it."""
    return " ".join(text.replace("│", " ").split())


def test_an_unknown_command_is_told_with_all_there_are(hello, run):
    result = run("helo")
    assert result.exit_code == 2
    told = flat(result.stderr)
    assert "No such command 'helo'; there are: 'adapters', 'bench', 'convert'," in told
    assert "'greetings'" in told
    assert "Did you mean 'hello'?" in told
    assert "Did you mean 'train'?" in flat(run("trian").stderr)


def test_an_unknown_command_names_the_plugins_that_may_have_it(
    hello, run, install_plugin, monkeypatch
):
    install_plugin("broken", "import surely_not_installed", version="0.3")
    monkeypatch.setenv("POLYHEAD_DISABLE_PLUGINS", "hello-commands")
    told = flat(run("hello", "you").stderr)
    assert "failed to load and may provide it: broken 0.3: ModuleNotFoundError" in told
    assert "switched off and may provide it: hello-commands 1.2 by POLYHEAD" in told


def test_plugins_that_are_switched_off_have_no_commands(hello, run):
    result = run("--no-plugins", "hello", "you")
    assert result.exit_code == 2
    assert "hello-commands 1.2 by --no-plugins" in flat(result.stderr)


def test_a_command_that_two_plugins_claim_is_refused_with_both(hello, refused, install_plugin):
    install_plugin("other", HELLO)
    message = refused("hello", "you")
    assert message.startswith("command 'hello' is claimed by hello-commands 1.2 (main) and other")


def test_our_own_commands_cannot_be_taken(run, install_plugin):
    source = """
        import polyhead as ph

        @ph.hookimpl
        def polyhead_register_commands(register):
            register("heads", lambda: print("taken"))
    """
    install_plugin("greedy", source)
    assert "classification" in run("heads").stdout
    [record] = [
        record
        for record in json.loads(run("plugins", "--json").stdout)
        if record["distribution"] == "greedy"
    ]
    assert "command 'heads' is one of polyhead's own" in record["failure"]


def test_a_command_that_typer_cannot_read_is_the_plugins_mistake(run, install_plugin):
    source = """
        import polyhead as ph

        def odd(thing):
            pass

        odd.__signature__ = "none"

        @ph.hookimpl
        def polyhead_register_commands(register):
            register("odd", odd)
    """
    install_plugin("odd", source)
    with pytest.raises(TypeError, match="signature") as caught:
        run("odd", "x")
    assert "of the plugin odd 1.0 (main)" in caught.value.__notes__[0]
